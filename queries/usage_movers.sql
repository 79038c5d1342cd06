-- title: Movers
-- purpose: Tenants whose use changed most between two months, by metric: units_peak (the highest daily count of units), units_days, and what is
--   recorded. The months are the first and the last of the range; without one, the last whole month and the one before it. A range within one
--   month compares it with the month before. When the later month is not over, both are compared over the same days. A tenant that is in one month
--   only counts as 0 in the other. Money is what the change of units_peak makes at the tenant's price per unit in the later month (else that of the
--   earlier), per month, before discounts and tax; it is empty for a tenant without a price per unit or with several. Only tenants with a change
--   are listed. The currency filter chooses tenants by their own currency.
-- grain: tenant_id, kind, metric
-- params: from_date, to_date, as_of, today, tenant_id, currency, kind=, metric=
-- sources: unit_spans, usage_aggregates, metrics, item_price_spans, tenants
-- permission: reports.read
-- converted_on: until_on
-- columns:
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   kind | varchar | text | units or usage.
--   metric | varchar | text | units_peak, units_days, or what was measured.
--   earlier_month | date | month | First day of the earlier month.
--   later_month | date | month | First day of the later month.
--   earlier_quantity | decimal(38,6) | quantity | In the earlier month.
--   later_quantity | decimal(38,6) | quantity | In the later month.
--   change_quantity | decimal(38,6) | quantity | Later less earlier.
--   change_ratio | decimal(18,6) | ratio | The change as a share of earlier; empty from 0.
--   direction | varchar | text | up or down.
--   place | bigint | count | 1 for the largest of its direction and metric.
--   currency | varchar | text | Currency of the money, lower case.
--   change_minor | bigint | minor units | What the change is worth per month.
--   unit | varchar | text | The metric's unit.
--   until_on | date | date | Last day counted of the later month.
--   earlier_until_on | date | date | Last day counted of the earlier month.
with clock as (
    select coalesce(cast($as_of as date), $today) as last_on
),

asked as (
    select
        last_on,
        -- The month of the last day of the range, else the last one that is over.
        case
            when $to_date is not null then month_of(least(cast($to_date as date) - 1, last_on))
            when last_on = month_end(last_on) then month_of(last_on)
            else cast(month_of(last_on) - interval 1 month as date)
        end as later_month,
        month_of(cast($from_date as date)) as from_month
    from clock
),

months as (
    select
        later_month,
        case
            when from_month < later_month then from_month
            else cast(later_month - interval 1 month as date)
        end as earlier_month,
        least(last_on, month_end(later_month)) as until_on
    from asked
),

windows as (
    select
        *,
        same_days(earlier_month, until_on) as earlier_until_on,
        [day_window(earlier_month, same_days(earlier_month, until_on)), day_window(later_month, until_on)] as days
    from months
),

cells as (
    select
        c.tenant_id,
        c.kind,
        c.metric,
        coalesce(sum(c.amount_micro) filter (where c.from_on = w.earlier_month), 0) as earlier_micro,
        coalesce(sum(c.amount_micro) filter (where c.from_on = w.later_month), 0) as later_micro
    from usage_in((select days from windows), $tenant_id, $currency) as c
    cross join windows as w
    where matches(c.kind, nullif($kind, '')) and matches(c.metric, nullif($metric, ''))
    group by c.tenant_id, c.kind, c.metric
),

prices as (
    select
        coalesce(l.tenant_id, e.tenant_id) as tenant_id,
        case when l.tenant_id is null then e else l end as price
    from unit_price_on((select until_on from windows)) as l
    full outer join unit_price_on((select earlier_until_on from windows)) as e on l.tenant_id = e.tenant_id
),

worth as (
    select
        c.*,
        p.price.currency,
        p.price.divisor,
        period_scaled(c.later_micro // 1000000, p.price.ladder) * p.price.per_month as later_scaled,
        period_scaled(c.earlier_micro // 1000000, p.price.ladder) * p.price.per_month as earlier_scaled
    from cells as c
    left join prices as p on c.tenant_id = p.tenant_id and c.metric = 'units_peak' and c.kind = 'units'
    where c.later_micro <> c.earlier_micro
)

select
    c.tenant_id,
    t.name as tenant_name,
    c.kind,
    c.metric,
    w.earlier_month,
    w.later_month,
    from_micro(c.earlier_micro) as earlier_quantity,
    from_micro(c.later_micro) as later_quantity,
    from_micro(c.later_micro - c.earlier_micro) as change_quantity,
    ratio(c.later_micro - c.earlier_micro, c.earlier_micro) as change_ratio,
    case when c.later_micro > c.earlier_micro then 'up' else 'down' end as direction,
    row_number() over (
        partition by c.kind, c.metric, c.later_micro > c.earlier_micro
        order by abs(c.later_micro - c.earlier_micro) desc, c.tenant_id
    ) as place,
    coalesce(c.currency, t.currency) as currency,
    divide_minor(c.later_scaled, c.divisor) - divide_minor(c.earlier_scaled, c.divisor) as change_minor,
    case c.metric when 'units_peak' then 'units' when 'units_days' then 'unit days' else m.unit end as unit,
    w.until_on,
    w.earlier_until_on
from worth as c
cross join windows as w
left join tenants as t on c.tenant_id = t.tenant_id
left join metrics as m on c.kind = 'usage' and c.metric = m.metric
order by c.kind, c.metric, direction desc, place
