-- title: Days behind a month's usage
-- purpose: The days that a tenant's month of a metric is made of, for every cell of "Usage per tenant and month, with its trend". Events that are
--   added up, and units of each day, count with every day; a highest value counts with the first day that has it, a last value with the last day:
--   so counted_quantity adds up to the month's quantity. Part "previous" are the days of the month before that it is compared with, counted negative
--   in change_quantity, which adds up to the change. The range chooses months; without its beginning
--   it is the last month. Days without units or events have no row.
-- grain: tenant_id, month, kind, metric, part, day
-- params: from_date, to_date, as_of, today, tenant_id, currency, kind=, metric=
-- sources: unit_spans, usage_aggregates, metrics, tenants
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   month | date | month | First day of the month that is explained.
--   kind | varchar | text | units or usage.
--   metric | varchar | text | units_peak, units_days, or what was measured.
--   part | varchar | text | this or previous.
--   day | date | date | The day.
--   day_quantity | decimal(38,6) | quantity | Units or usage of the day.
--   counted_quantity | decimal(38,6) | quantity | What the day adds to this month; 0 for the month before.
--   change_quantity | decimal(38,6) | quantity | What the day adds to the change.
with clock as (
    select coalesce(cast($as_of as date), $today) as last_on
),

months as (
    select
        cast(m.month as date) as month,
        least(month_end(cast(m.month as date)), c.last_on) as until_on
    from clock as c,
        lateral (
            select
                unnest(
                    generate_series(
                        month_of(coalesce(cast($from_date as date), c.last_on)),
                        least(c.last_on, cast($to_date as date) - 1),
                        interval 1 month
                    )
                ) as month
        ) as m
),

windows as (
    select
        month,
        'this' as part,
        month as from_on,
        until_on
    from months
    union all
    select
        month,
        'previous' as part,
        cast(month - interval 1 month as date) as from_on,
        same_days(cast(month - interval 1 month as date), until_on) as until_on
    from months
),

unit_days as (
    select
        w.month,
        w.part,
        s.tenant_id,
        s.units_count,
        unnest(
            range(greatest(s.from_on, w.from_on), least(coalesce(s.to_on, w.until_on + 1), w.until_on + 1), interval 1 day)
        ) as day
    from windows as w
    inner join tenant_unit_spans as s on s.from_on <= w.until_on and (s.to_on is null or s.to_on > w.from_on)
    where
        matches(s.tenant_id, $tenant_id)
        and matches(s.currency, $currency)
        and s.units_count > 0
        and matches('units', nullif($kind, ''))
),

days as (
    select
        month,
        part,
        tenant_id,
        'units' as kind,
        m.metric,
        m.aggregation,
        cast(day as date) as day,
        units_count as quantity
    from unit_days
    cross join (values ('units_peak', 'max'), ('units_days', 'sum')) as m (metric, aggregation)
    union all
    select
        w.month,
        w.part,
        u.tenant_id,
        'usage' as kind,
        u.metric,
        coalesce(m.aggregation, 'sum') as aggregation,
        u.day,
        u.quantity
    from windows as w
    inner join usage_aggregates as u on u.day >= w.from_on and u.day <= w.until_on
    left join metrics as m on u.metric = m.metric
    left join tenants as t on u.tenant_id = t.tenant_id
    where matches(u.tenant_id, $tenant_id) and matches(t.currency, $currency) and matches('usage', nullif($kind, ''))
),

keyed as (
    select
        *,
        case aggregation
            when 'max' then quantity
            when 'unique' then quantity
            when 'last' then date_diff('day', date '2000-01-01', day)
            when 'sum' then 0
            when 'count' then 0
            else error('unknown aggregation')
        end as weight
    from days
    where matches(metric, nullif($metric, ''))
),

placed as (
    select
        *,
        row_number() over (partition by tenant_id, month, kind, metric, part order by weight desc, day) as place
    from keyed
),

counted as (
    select
        *,
        case when aggregation in ('sum', 'count') or place = 1 then quantity else 0 end as counted
    from placed
)

select
    c.tenant_id,
    t.name as tenant_name,
    c.month,
    c.kind,
    c.metric,
    c.part,
    c.day,
    cast(c.quantity as decimal(38, 6)) as day_quantity,
    cast(case when c.part = 'this' then c.counted else 0 end as decimal(38, 6)) as counted_quantity,
    cast(case when c.part = 'this' then c.counted else -c.counted end as decimal(38, 6)) as change_quantity
from counted as c
left join tenants as t on c.tenant_id = t.tenant_id
order by c.tenant_id, c.month desc, c.kind, c.metric, c.part desc, c.day
