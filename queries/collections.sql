-- title: How fast invoices are collected
-- purpose: Invoices grouped by the month they were finalized in, leaving out those that are void at the end of the as-of day (today unless
--   told). Each ratio is what had been paid, in or outside Stripe, within so many days after finalization ÷ the total of the invoices, both with
--   tax; 0 is the same day. A ratio is empty until the youngest invoice of the month is that old, because it could still rise.
-- grain: cohort_month, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: invoices, payments
-- permission: reports.read
-- columns:
--   cohort_month | date | month | Month of finalization.
--   currency | varchar | text | ISO code, lower case.
--   invoiced_minor | bigint | minor units | Total of the invoices, with tax.
--   collected_0_ratio | decimal(18,6) | ratio | Paid on the day of finalization.
--   collected_30_ratio | decimal(18,6) | ratio | Paid within 30 days.
--   collected_60_ratio | decimal(18,6) | ratio | Paid within 60 days.
--   collected_90_ratio | decimal(18,6) | ratio | Paid within 90 days.
--   collected_minor | bigint | minor units | Paid up to the as-of day.
with cohorts as (
    select
        cohort_month,
        currency,
        min(age_days) as youngest_days,
        sum_minor(total_minor) as invoiced_minor,
        sum_minor(paid_0_minor) as paid_0_minor,
        sum_minor(paid_30_minor) as paid_30_minor,
        sum_minor(paid_60_minor) as paid_60_minor,
        sum_minor(paid_90_minor) as paid_90_minor,
        sum_minor(paid_minor) as paid_minor
    from collected_invoices($from_date, $to_date, $as_of, $today, $tenant_id, $currency)
    group by cohort_month, currency
)

select
    cohort_month,
    currency,
    invoiced_minor,
    ratio(paid_0_minor, invoiced_minor) as collected_0_ratio,
    case when youngest_days >= 30 then ratio(paid_30_minor, invoiced_minor) end as collected_30_ratio,
    case when youngest_days >= 60 then ratio(paid_60_minor, invoiced_minor) end as collected_60_ratio,
    case when youngest_days >= 90 then ratio(paid_90_minor, invoiced_minor) end as collected_90_ratio,
    paid_minor as collected_minor
from cohorts
order by cohort_month, currency
