-- title: Units per day of one tenant
-- purpose: Distinct units the tenant occupies on each day, by the rules of "Units per day", without gaps.
-- grain: tenant_id, day
-- params: from_date, to_date, as_of, today, tenant_id
-- sources: tenants, unit_spans
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   day | date | date | The day, in the reporting time zone.
--   units_count | bigint | units | Distinct units occupied on that day.
--   change_count | bigint | units | Against the day before; the first day counts from 0.
with ids as (
    select tenant_id from tenants
    union
    select tenant_id from unit_spans
),

lives as (
    select
        ids.tenant_id,
        least(any_value(local_date(t.created_at)), min(s.from_on)) as first_on,
        least(coalesce(cast($as_of as date), $today), cast($to_date as date) - 1) as last_on
    from ids
    left join tenants as t on ids.tenant_id = t.tenant_id
    left join unit_spans as s on ids.tenant_id = s.tenant_id
    where ids.tenant_id = $tenant_id
    group by ids.tenant_id
),

days as (
    select
        tenant_id,
        unnest(generate_series(first_on, last_on, interval 1 day))::date as day
    from lives
),

counted as (
    select
        d.tenant_id,
        d.day,
        coalesce(s.units_count, 0) as units_count
    from days as d
    asof left join unit_spans as s on d.tenant_id = s.tenant_id and d.day >= s.from_on
),

compared as (
    select
        *,
        units_count - coalesce(lag(units_count) over (partition by tenant_id order by day), 0) as change_count
    from counted
)

select
    tenant_id,
    day,
    units_count,
    change_count
from compared
where in_window(day, $from_date, null, null)
order by day
