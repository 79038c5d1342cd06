-- title: Units per month
-- purpose: For each tenant and month the peak, which is the highest daily count of distinct occupied units, and the count on the month's last
--   day (of the running month: today or the as-of day). A tenant without any unit is there with 0, from its creation or its first
--   occupancy; a deleted tenant ends with the month of its deletion unless it still occupies units. The range chooses days, so a month cut by
--   it shows the peak of the days inside.
-- grain: tenant_id, month
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: tenants, unit_spans
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   month | date | month | First day of the month.
--   peak_units_count | bigint | units | Highest daily count of the month.
--   units_count | bigint | units | Count on the last day of the month that is covered.
with first_units as (
    select
        tenant_id,
        min(from_on) as first_on
    from unit_spans
    group by tenant_id
),

lives as (
    select
        coalesce(t.tenant_id, u.tenant_id) as tenant_id,
        t.name as tenant_name,
        greatest(least(local_date(t.created_at), u.first_on), cast($from_date as date)) as first_on,
        least(coalesce(cast($as_of as date), $today), cast($to_date as date) - 1) as last_on,
        local_date(t.deleted_at) as deleted_on
    from tenants as t
    full outer join first_units as u on t.tenant_id = u.tenant_id
    where
        matches(coalesce(t.tenant_id, u.tenant_id), $tenant_id)
        and matches(t.currency, $currency)
),

months as (
    select
        *,
        unnest(generate_series(month_of(first_on), last_on, interval 1 month))::date as month
    from lives
    where first_on <= last_on
),

covered as (
    select
        tenant_id,
        tenant_name,
        deleted_on,
        greatest(first_on, month) as from_on,
        least(last_on, month_end(month)) as until_on,
        month
    from months
),

counted as (
    select
        m.tenant_id,
        m.tenant_name,
        m.month,
        m.from_on,
        m.deleted_on,
        coalesce(max(s.units_count), 0) as peak_units_count,
        coalesce(max(s.units_count) filter (where s.from_on <= m.until_on and (s.to_on is null or s.to_on > m.until_on)), 0) as units_count
    from covered as m
    left join unit_spans as s
        on m.tenant_id = s.tenant_id and s.from_on <= m.until_on and (s.to_on is null or s.to_on > m.from_on)
    group by all
)

select
    tenant_id,
    tenant_name,
    month,
    peak_units_count,
    units_count
from counted
where deleted_on is null or from_on < deleted_on or peak_units_count > 0
order by tenant_id, month
