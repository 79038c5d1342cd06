-- How many distinct units a tenant occupies, as spans of days [from_on, to_on) with one count each; the last span is open.
-- Overlapping and touching occupancies of one unit are merged first, so that a unit counts once and a same-day turnover does not double.
-- grain: tenant_id, from_on
-- sources: occupancies
with valid as (
    select
        tenant_id,
        unit_id,
        starts_on,
        coalesce(ends_on, date '9999-12-31') as ends_on
    from occupancies
    where deleted_at is null and (ends_on is null or ends_on > starts_on)
),

reached as (
    select
        *,
        max(ends_on) over (
            partition by tenant_id, unit_id order by starts_on, ends_on rows between unbounded preceding and 1 preceding
        ) as reached_on
    from valid
),

numbered as (
    select
        *,
        count(*) filter (where reached_on is null or starts_on > reached_on) over (
            partition by tenant_id, unit_id order by starts_on, ends_on rows between unbounded preceding and current row
        ) as stay
    from reached
),

stays as (
    select
        tenant_id,
        min(starts_on) as starts_on,
        max(ends_on) as ends_on
    from numbered
    group by tenant_id, unit_id, stay
),

changes as (
    select
        tenant_id,
        starts_on as changed_on,
        1 as change
    from stays
    union all
    select
        tenant_id,
        ends_on as changed_on,
        -1 as change
    from stays
    where ends_on < date '9999-12-31'
),

by_day as (
    select
        tenant_id,
        changed_on,
        sum(change) as change
    from changes
    group by tenant_id, changed_on
    having sum(change) <> 0
)

select
    tenant_id,
    changed_on as from_on,
    lead(changed_on) over w as to_on,
    cast(sum(change) over w as bigint) as units_count
from by_day
window w as (partition by tenant_id order by changed_on)
order by tenant_id, from_on
