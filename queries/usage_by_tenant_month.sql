-- title: Usage per tenant and month
-- purpose: The days of a month put together as the metric asks: sums and counts are added, a maximum is the highest day, a last value is that
--   of the last day with events. Distinct values cannot be added over days, so for them the highest day is shown. Months without usage have
--   no row. The currency filter chooses tenants by their own currency.
-- grain: tenant_id, metric, month
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: usage_aggregates, metrics, tenants
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   metric | varchar | text | What was measured.
--   month | date | month | First day of the month.
--   quantity | decimal(20,6) | quantity | How much, in the metric's own unit.
--   aggregation | varchar | text | How the metric is put together.
--   unit | varchar | text | The metric's unit.
--   events_count | bigint | count | Events behind it.
with monthly as (
    select
        tenant_id,
        metric,
        month_of(day) as month,
        sum(quantity) as added,
        max(quantity) as highest,
        arg_max(quantity, day) as latest,
        sum(events_count) as events_count
    from usage_aggregates
    where in_window(day, $from_date, $to_date, $as_of) and matches(tenant_id, $tenant_id)
    group by tenant_id, metric, month_of(day)
)

select
    u.tenant_id,
    t.name as tenant_name,
    u.metric,
    u.month,
    cast(
        case coalesce(m.aggregation, 'sum')
            when 'sum' then u.added
            when 'count' then u.added
            when 'max' then u.highest
            when 'unique' then u.highest
            when 'last' then u.latest
            else error('unknown aggregation')
        end as decimal(20, 6)
    ) as quantity,
    coalesce(m.aggregation, 'sum') as aggregation,
    m.unit,
    cast(u.events_count as bigint) as events_count
from monthly as u
left join metrics as m on u.metric = m.metric
left join tenants as t on u.tenant_id = t.tenant_id
where matches(t.currency, $currency)
order by u.tenant_id, u.metric, u.month
