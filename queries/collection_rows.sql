-- title: Invoices behind the collection ratios
-- purpose: Each invoice finalized and not void at the end of the as-of day (today unless told), with what had been paid for it, in or outside
--   Stripe, within so many days after its finalization. The invoices of a month and currency add up to "How fast invoices are collected": paid
--   within so many days ÷ total is its ratio. Amounts include tax.
-- grain: invoice_id
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: invoices, payments, tenants, customers
-- permission: reports.read
-- columns:
--   cohort_month | date | month | Month of finalization.
--   finalized_on | date | date | The day it was finalized.
--   invoice_id | varchar | id | The invoice.
--   invoice_number | varchar | text | Its number.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name, else the customer's.
--   currency | varchar | text | ISO code, lower case.
--   invoiced_minor | bigint | minor units | Total of the invoice, with tax.
--   collected_0_minor | bigint | minor units | Paid on the day of finalization.
--   collected_30_minor | bigint | minor units | Paid within 30 days.
--   collected_60_minor | bigint | minor units | Paid within 60 days.
--   collected_90_minor | bigint | minor units | Paid within 90 days.
--   collected_minor | bigint | minor units | Paid up to the as-of day.
--   age_days | bigint | days | Days from finalization to the as-of day.
select
    i.cohort_month,
    i.finalized_on,
    i.invoice_id,
    i.number as invoice_number,
    i.tenant_id,
    coalesce(t.name, c.name) as tenant_name,
    i.currency,
    i.total_minor as invoiced_minor,
    i.paid_0_minor as collected_0_minor,
    i.paid_30_minor as collected_30_minor,
    i.paid_60_minor as collected_60_minor,
    i.paid_90_minor as collected_90_minor,
    i.paid_minor as collected_minor,
    i.age_days
from collected_invoices($from_date, $to_date, $as_of, $today, $tenant_id, $currency) as i
left join tenants as t on i.tenant_id = t.tenant_id
left join customers as c on i.customer_id = c.customer_id
order by i.finalized_on, i.invoice_id
