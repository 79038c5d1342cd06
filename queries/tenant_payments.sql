-- title: Payments of tenants
-- purpose: What happened to tenants' money, newest first: payments in and outside Stripe, failed attempts with their reason, and refunds, each with
--   its invoice. signed_minor is what really moved, positive in, negative out, 0 for a failed attempt or refund; it adds up to what was collected
--   less refunded. The range is by the day of the payment, attempt or refund. Amounts include tax.
-- grain: kind, subject_id
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: payments, charges, refunds, invoices, tenants
-- permission: reports.read
-- converted_on: on_date
-- columns:
--   kind | varchar | text | payment, failed_attempt or refund.
--   subject_id | varchar | id | The payment, charge or refund.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   on_date | date | date | The day it counts on.
--   currency | varchar | text | ISO code, lower case.
--   amount_minor | bigint | minor units | Amount, with tax, positive.
--   signed_minor | bigint | minor units | What moved, in or out.
--   status | varchar | text | As Stripe says.
--   method | varchar | text | Card and last digits, payment method, or outside Stripe.
--   reason | varchar | text | Why it failed or was refunded; the bank reference of a payment.
--   failure_code | varchar | text | The card issuer's reason of a failed attempt, else Stripe's.
--   invoice_id | varchar | id | The invoice, if any.
--   invoice_number | varchar | text | Its number.
--   customer_id | varchar | id | The Stripe customer.
select
    f.kind,
    f.subject_id,
    f.tenant_id,
    t.name as tenant_name,
    f.on_date,
    f.currency,
    f.amount_minor,
    f.signed_minor,
    f.status,
    f.method,
    f.reason,
    f.failure_code,
    f.invoice_id,
    i.number as invoice_number,
    f.customer_id
from tenant_money as f
left join tenants as t on f.tenant_id = t.tenant_id
left join invoices as i on f.invoice_id = i.invoice_id
where
    in_window(f.on_date, $from_date, $to_date, $as_of)
    and matches(f.tenant_id, $tenant_id)
    and matches(f.currency, $currency)
order by f.on_date desc, f.kind, f.subject_id
