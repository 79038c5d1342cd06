-- title: Days behind the forecast of the running period
-- purpose: The days of the running period of each metered and licensed item, of the units of a tenant without either, and of each recorded metric, up
--   to today or the as-of day, and what is expected after it. For a peak the first day that has it counts, for licensed units the last day, what is
--   added up counts with every day, a level with the day that it is from: counted_quantity of the days adds up to what the period has so far, and
--   with the row "expected" to where it is likely to end. Days that moves are already known for are shown as "ahead", with their units; they count
--   nothing themselves.
-- grain: tenant_id, kind, subject_id, part, day
-- params: as_of, now, today, tenant_id, currency, kind=
-- sources: item_price_spans, subscriptions, subscription_items, unit_spans, usage_aggregates, metrics, tenants
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   kind | varchar | text | metered, licensed, units or usage.
--   subject_id | varchar | id | The subscription item, or the metric.
--   part | varchar | text | day, ahead or expected.
--   day | date | date | The day; of the expected row the last of the period.
--   day_quantity | decimal(38,6) | quantity | Units or usage of the day; for the expected row what is still to come.
--   counted_quantity | decimal(38,6) | quantity | What the row adds to the forecast.
with clock as (
    select
        coalesce(cast($as_of as date), $today) as last_on,
        case
            when $as_of is null then $now
            else
                timezone((select reporting_timezone from warehouse_info), cast(cast($as_of as date) + 1 as timestamp))
                - interval 1 microsecond
        end as instant
),

units as (
    select *
    from unit_forecasts((select instant from clock), (select last_on from clock), $tenant_id, $currency)
    where kind <> 'fixed'
),

metric_rows as (
    select *
    from metric_forecasts((select last_on from clock), $tenant_id, $currency)
),

unit_days as (
    select
        u.tenant_id,
        u.kind,
        u.subject_id,
        u.so_far,
        c.last_on,
        unnest(generate_series(u.from_on, u.ends_on - 1, interval 1 day)) as day
    from units as u
    cross join clock as c
),

counted_units as (
    select
        d.tenant_id,
        d.kind,
        d.subject_id,
        d.so_far,
        d.last_on,
        cast(d.day as date) as day,
        coalesce(s.units_count, 0) as units_count,
        case when d.kind = 'licensed' then 0 else coalesce(s.units_count, 0) end as weight,
        case when d.kind = 'licensed' then d.last_on - cast(d.day as date) else cast(d.day as date) - d.last_on end as nearness
    from unit_days as d
    left join unit_spans as s
        on d.tenant_id = s.tenant_id and s.from_on <= d.day and (s.to_on is null or s.to_on > d.day)
),

placed_units as (
    select
        *,
        row_number() over (
            partition by tenant_id, kind, subject_id
            order by day <= last_on desc, weight desc, nearness
        ) as place
    from counted_units
),

metric_days as (
    select
        r.tenant_id,
        r.metric,
        u.day,
        u.quantity,
        coalesce(m.aggregation, 'sum') as aggregation,
        case when m.aggregation in ('max', 'unique') then u.quantity else 0 end as weight,
        case when m.aggregation = 'last' then r.from_on - u.day else u.day - r.from_on end as nearness
    from metric_rows as r
    cross join clock as c
    left join metrics as m on r.metric = m.metric
    inner join usage_aggregates as u on r.tenant_id = u.tenant_id and r.metric = u.metric and u.day <= c.last_on
    where u.day >= r.from_on or (m.aggregation = 'last' and u.day > least(c.last_on - 28, r.from_on - 1))
),

placed_metrics as (
    select
        *,
        row_number() over (partition by tenant_id, metric order by weight desc, nearness) as place
    from metric_days
),

final as (
    select
        tenant_id,
        kind,
        subject_id,
        case when day <= last_on then 'day' else 'ahead' end as part,
        day,
        micro(units_count) as amount,
        case when place = 1 and day <= last_on then micro(units_count) else 0 end as counted
    from placed_units
    union all
    select
        tenant_id,
        kind,
        subject_id,
        'expected' as part,
        ends_on - 1 as day,
        (expected - so_far) * 1000000 as amount,
        (expected - so_far) * 1000000 as counted
    from units
    union all
    select
        tenant_id,
        'usage' as kind,
        metric as subject_id,
        'day' as part,
        day,
        micro(quantity) as amount,
        case when aggregation in ('sum', 'count') or place = 1 then micro(quantity) else 0 end as counted
    from placed_metrics
    union all
    select
        tenant_id,
        'usage' as kind,
        metric as subject_id,
        'expected' as part,
        ends_on - 1 as day,
        expected - so_far as amount,
        expected - so_far as counted
    from metric_rows
)

select
    f.tenant_id,
    t.name as tenant_name,
    f.kind,
    f.subject_id,
    f.part,
    f.day,
    from_micro(f.amount) as day_quantity,
    from_micro(f.counted) as counted_quantity
from final as f
left join tenants as t on f.tenant_id = t.tenant_id
where matches(f.kind, nullif($kind, ''))
order by f.tenant_id, f.kind, f.subject_id, f.day, f.part
