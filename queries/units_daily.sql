-- title: Units per day
-- purpose: Distinct units that a tenant occupies on a day. An occupancy counts from its first day up to, not including, its end day; a unit
--   counts once however many occupancies overlap, and an occupancy that was deleted never counted. Every tenant has a row for every day from
--   its creation or its first occupancy, whichever is earlier, up to the as-of day (today unless told), with 0 where it has no unit. A tenant
--   without any occupancy is there with 0. A deleted tenant ends with the day before its deletion, but days with units are always shown.
--   The currency filter chooses tenants by their own currency.
-- grain: tenant_id, day
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: tenants, unit_spans
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   day | date | date | The day, in the reporting time zone.
--   units_count | bigint | units | Distinct units occupied on that day.
with days as (
    select
        tenant_id,
        units_count,
        unnest(
            generate_series(
                greatest(from_on, cast($from_date as date)),
                least(to_on - 1, cast($to_date as date) - 1, coalesce(cast($as_of as date), $today)),
                interval 1 day
            )
        )::date as day
    from tenant_unit_spans
    where matches(tenant_id, $tenant_id) and matches(currency, $currency)
)

select
    tenant_id,
    day,
    units_count
from days
order by tenant_id, day
