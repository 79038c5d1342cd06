-- title: Usage per tenant and month, with its trend
-- purpose: What each tenant used in each month, against the month before and the year before. Kind "units" has units_peak, the highest daily count of
--   distinct occupied units, and units_days, the units of each day added up; kind "usage" has what is recorded per metric, put together as the metric
--   asks. Months without events are 0 where events are added up, and empty where a level was not measured. The month that today or the as-of day
--   cuts shows what it has so far, and is compared with the same days of the month before. The trend is the average change per month over the last
--   twelve whole months (least squares), from three months on. The currency filter chooses tenants by their own currency.
-- grain: tenant_id, month, kind, metric
-- params: from_date, to_date, as_of, today, tenant_id, currency, kind=, metric=
-- sources: unit_spans, usage_aggregates, metrics, tenants
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   month | date | month | First day of the month.
--   kind | varchar | text | units or usage.
--   metric | varchar | text | units_peak, units_days, or what was measured.
--   unit | varchar | text | The metric's unit.
--   quantity | decimal(38,6) | quantity | How much.
--   previous_quantity | decimal(38,6) | quantity | In the month before, over the same days when this month is not over.
--   change_quantity | decimal(38,6) | quantity | The difference.
--   change_ratio | decimal(18,6) | ratio | The difference as a share of before.
--   year_ago_quantity | decimal(38,6) | quantity | In the same month a year earlier.
--   trend_quantity | decimal(38,6) | quantity | Average change per month.
--   is_complete | boolean | yes/no | Whether the month is covered to its end.
--   until_on | date | date | Last day counted.
--   previous_until_on | date | date | Last day counted of the month before.
with cells as (
    select
        *,
        case when is_complete then amount_micro end as whole_micro,
        case
            when lag(month, 12) over months = month - interval 12 month then lag(amount_micro, 12) over months
        end as year_ago_micro,
        cast(row_number() over months as hugeint) as position
    from usage_cells(cast($from_date as date) - interval 12 month, coalesce(cast($as_of as date), $today), $tenant_id, $currency)
    window months as (partition by tenant_id, kind, metric order by month)
),

sums as (
    select
        *,
        cast(count(whole_micro) over twelve as hugeint) as n,
        sum(position) filter (where whole_micro is not null) over twelve as sum_x,
        sum(position * position) filter (where whole_micro is not null) over twelve as sum_xx,
        sum(whole_micro) over twelve as sum_y,
        sum(position * whole_micro) over twelve as sum_xy
    from cells
    window twelve as (
        partition by tenant_id, kind, metric order by month rows between 11 preceding and current row
    )
),

fractions as (
    select
        *,
        n * sum_xy - sum_x * sum_y as slope_part,
        case when is_complete and n >= 3 then n * sum_xx - sum_x * sum_x end as slope_whole,
        amount_micro - previous_micro as change_micro
    from sums
),

sloped as (
    select
        *,
        divide_whole(slope_part, slope_whole) as slope_micro
    from fractions
),

trended as (
    select
        *,
        case
            when is_complete then slope_micro
            else lag(slope_micro) over (partition by tenant_id, kind, metric order by month)
        end as trend_micro
    from sloped
)

select
    c.tenant_id,
    t.name as tenant_name,
    c.month,
    c.kind,
    c.metric,
    case c.metric when 'units_peak' then 'units' when 'units_days' then 'unit days' else m.unit end as unit,
    from_micro(c.amount_micro) as quantity,
    from_micro(c.previous_micro) as previous_quantity,
    from_micro(c.change_micro) as change_quantity,
    ratio(c.change_micro, c.previous_micro) as change_ratio,
    from_micro(c.year_ago_micro) as year_ago_quantity,
    from_micro(c.trend_micro) as trend_quantity,
    c.is_complete,
    c.until_on,
    c.previous_until_on
from trended as c
left join tenants as t on c.tenant_id = t.tenant_id
left join metrics as m on c.kind = 'usage' and c.metric = m.metric
where
    in_window(c.month, month_of(cast($from_date as date)), $to_date, null)
    and matches(c.kind, nullif($kind, ''))
    and matches(c.metric, nullif($metric, ''))
order by c.tenant_id, c.kind, c.metric, c.month
