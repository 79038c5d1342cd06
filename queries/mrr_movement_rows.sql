-- title: Movements of recurring revenue per tenant
-- purpose: The tenants behind "Recurring revenue, movements": one row per tenant and month in which it changed or had any.
--   Per tenant and currency a month compares its end with the end of the month before: new is revenue of a tenant that never had any at a month end,
--   reactivation of one that had some earlier and none at the last month end, churn its complete loss, expansion and contraction any other change. A
--   second subscription of a tenant is expansion.
-- grain: month, tenant_id, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency, basis=committed
-- sources: mrr_spans, mrr_usage_spans, tenants
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   currency | varchar | text | ISO code, lower case.
--   kind | varchar | text | new, reactivation, expansion, contraction, churn or none.
--   opening_minor | bigint | minor units | At the end of the month before.
--   change_minor | bigint | minor units | Closing less opening.
--   closing_minor | bigint | minor units | At the end of the month.
select
    m.month,
    m.tenant_id,
    t.name as tenant_name,
    m.currency,
    m.kind,
    m.opening_minor,
    m.change_minor,
    m.closing_minor
from mrr_moves(coalesce(cast($as_of as date), $today), $basis) as m
left join tenants as t on m.tenant_id = t.tenant_id
where
    in_window(m.month, month_of(cast($from_date as date)), $to_date, null)
    and matches(m.tenant_id, $tenant_id)
    and matches(m.currency, $currency)
    and (m.opening_minor <> 0 or m.closing_minor <> 0)
order by m.month, m.tenant_id nulls last, m.currency
