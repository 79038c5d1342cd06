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
        least(local_date(t.created_at), u.first_on) as first_on,
        local_date(t.deleted_at) as deleted_on
    from tenants as t
    full outer join first_units as u on t.tenant_id = u.tenant_id
    where
        matches(coalesce(t.tenant_id, u.tenant_id), $tenant_id)
        and matches(t.currency, $currency)
),

days as (
    select
        l.tenant_id,
        l.deleted_on,
        unnest(
            generate_series(
                greatest(l.first_on, cast($from_date as date)),
                least(coalesce(cast($as_of as date), $today), cast($to_date as date) - 1),
                interval 1 day
            )
        )::date as day
    from lives as l
),

counted as (
    select
        d.tenant_id,
        d.day,
        d.deleted_on,
        coalesce(s.units_count, 0) as units_count
    from days as d
    asof left join unit_spans as s on d.tenant_id = s.tenant_id and d.day >= s.from_on
)

select
    tenant_id,
    day,
    units_count
from counted
where deleted_on is null or day < deleted_on or units_count > 0
order by tenant_id, day
