-- title: Tenants of the cohorts
-- purpose: The tenants behind "Retention by cohort": each tenant of a cohort in each month since, also when it has left. The rows of a cohort and
--   month number add up to the cohort's revenue at the start and in that month; those with revenue are the ones retained.
-- grain: cohort_month, month_number, tenant_id, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency, basis=committed
-- sources: mrr_spans, mrr_usage_spans, tenants
-- permission: reports.read
-- columns:
--   cohort_month | date | month | First paid month of the tenant.
--   month_number | bigint | count | Months since then.
--   month | date | month | The month looked at.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   currency | varchar | text | ISO code, lower case.
--   is_retained | boolean | yes/no | Whether it has recurring revenue at the end of the month.
--   mrr_start_minor | bigint | minor units | Its revenue in month 0.
--   mrr_minor | bigint | minor units | Its revenue in this month.
select
    m.cohort_month,
    date_diff('month', m.cohort_month, m.month) as month_number,
    m.month,
    m.tenant_id,
    t.name as tenant_name,
    m.currency,
    m.closing_minor > 0 as is_retained,
    first_value(m.closing_minor) over (partition by m.tenant_id, m.currency order by m.month) as mrr_start_minor,
    m.closing_minor as mrr_minor
from mrr_moves(coalesce(cast($as_of as date), $today), $basis) as m
left join tenants as t on m.tenant_id = t.tenant_id
where
    m.month >= m.cohort_month
    and in_window(m.cohort_month, month_of(cast($from_date as date)), $to_date, null)
    and matches(m.tenant_id, $tenant_id)
    and matches(m.currency, $currency)
order by m.cohort_month, m.month, m.tenant_id nulls last, m.currency
