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
with covered as (
    select
        tenant_id,
        tenant_name,
        units_count,
        greatest(from_on, cast($from_date as date)) as from_on,
        least(to_on - 1, cast($to_date as date) - 1, coalesce(cast($as_of as date), $today)) as until_on
    from tenant_unit_spans
    where matches(tenant_id, $tenant_id) and matches(currency, $currency)
),

months as (
    select
        *,
        unnest(generate_series(month_of(from_on), until_on, interval 1 month))::date as month
    from covered
    where from_on <= until_on
)

select
    tenant_id,
    any_value(tenant_name) as tenant_name,
    month,
    max(units_count) as peak_units_count,
    arg_max(units_count, from_on) as units_count
from months
group by tenant_id, month
order by tenant_id, month
