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
with days as (
    select
        tenant_id,
        units_count,
        unnest(
            generate_series(
                from_on,
                least(to_on - 1, cast($to_date as date) - 1, coalesce(cast($as_of as date), $today)),
                interval 1 day
            )
        )::date as day
    from tenant_unit_spans
    where tenant_id = $tenant_id
),

compared as (
    select
        *,
        units_count - coalesce(lag(units_count) over (partition by tenant_id order by day), 0) as change_count
    from days
)

select
    tenant_id,
    day,
    units_count,
    change_count
from compared
where in_window(day, $from_date, null, null)
order by day
