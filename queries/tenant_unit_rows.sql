-- title: Units occupied on a day
-- purpose: The units behind a tenant's number of units on the as-of day (today unless told): one row per distinct unit with an occupancy that has
--   started and not ended, also where several occupancies of it overlap. A known end in the future is the last of them; an end is the first day
--   without. Deleted occupancies are left out. units_count adds up to the units of that day.
-- grain: tenant_id, unit_id
-- params: as_of, today, tenant_id
-- sources: occupancies, tenants
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   unit_id | varchar | id | The unit.
--   starts_on | date | date | Since when, the first of its occupancies.
--   ends_on | date | date | First day without, when it is known.
--   units_count | bigint | units | 1.
--   occupancies_count | bigint | count | Occupancies of the unit on that day; more than one overlap.
with clock as (
    select coalesce(cast($as_of as date), $today) as on_day
)

select
    o.tenant_id,
    any_value(t.name) as tenant_name,
    o.unit_id,
    min(o.starts_on) as starts_on,
    case when count(*) = count(o.ends_on) then max(o.ends_on) end as ends_on,
    cast(1 as bigint) as units_count,
    count(*) as occupancies_count
from occupancies as o
inner join clock as c on o.starts_on <= c.on_day and (o.ends_on is null or o.ends_on > c.on_day)
left join tenants as t on o.tenant_id = t.tenant_id
where o.deleted_at is null and matches(o.tenant_id, $tenant_id)
group by o.tenant_id, o.unit_id
order by o.tenant_id, o.unit_id
