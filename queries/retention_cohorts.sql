-- title: Retention by cohort
-- purpose: Tenants grouped by the first month at whose end they had recurring revenue, followed month by month. Month number 0 is that first month.
--   Retained are the tenants of the cohort that have recurring revenue at the end of the month in question, also those that left and came back.
--   The start is the cohort's revenue in month 0.
-- grain: cohort_month, month_number, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency, basis=committed
-- sources: mrr_spans, mrr_usage_spans
-- permission: reports.read
-- columns:
--   cohort_month | date | month | First paid month of the cohort.
--   month_number | bigint | count | Months since then.
--   currency | varchar | text | ISO code, lower case.
--   tenants_count | bigint | count | Tenants of the cohort.
--   tenants_retained_count | bigint | count | Of them with recurring revenue now.
--   mrr_start_minor | bigint | minor units | Revenue of the cohort in month 0.
--   mrr_minor | bigint | minor units | Revenue of the cohort in this month.
with followed as (
    select
        cohort_month,
        date_diff('month', cohort_month, month) as month_number,
        currency,
        tenant_id,
        closing_minor
    from mrr_moves(coalesce(cast($as_of as date), $today), $basis)
    where
        month >= cohort_month
        and in_window(cohort_month, month_of(cast($from_date as date)), $to_date, null)
        and matches(tenant_id, $tenant_id)
        and matches(currency, $currency)
),

months as (
    select
        cohort_month,
        month_number,
        currency,
        count(*) as tenants_count,
        count(*) filter (where closing_minor > 0) as tenants_retained_count,
        sum_minor(closing_minor) as mrr_minor
    from followed
    group by cohort_month, month_number, currency
)

select
    cohort_month,
    month_number,
    currency,
    tenants_count,
    tenants_retained_count,
    first_value(mrr_minor) over (partition by cohort_month, currency order by month_number) as mrr_start_minor,
    mrr_minor
from months
order by cohort_month, currency, month_number
