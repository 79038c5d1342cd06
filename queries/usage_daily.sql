-- title: Usage per day
-- purpose: What each tenant used of each metric on each day of the reporting time zone, after late events and corrections. How the events
--   of a day become one quantity (sum, maximum, last, count, unique) is a property of the metric. Days without events have no row.
--   The currency filter chooses tenants by their own currency.
-- grain: tenant_id, metric, day
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: usage_aggregates, tenants
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   metric | varchar | text | What was measured.
--   day | date | date | The day.
--   quantity | decimal(20,6) | quantity | How much, in the metric's own unit.
select
    u.tenant_id,
    u.metric,
    u.day,
    u.quantity
from usage_aggregates as u
left join tenants as t on u.tenant_id = t.tenant_id
where
    in_window(u.day, $from_date, $to_date, $as_of)
    and matches(u.tenant_id, $tenant_id)
    and matches(t.currency, $currency)
order by u.tenant_id, u.metric, u.day
