-- title: Failed payments
-- purpose: Invoices that are open at the end of the as-of day (today unless told) although a charge was tried: how often it failed, when and why
--   last, when the next attempt is, since when the invoice is past due, and what is at risk, which is what is open on it, with tax. An invoice
--   without a due day is past due since its first failure. The next attempt is known as things stand only; an automatic invoice without one is not
--   tried again by itself. Invoices sent to be paid, where nothing was charged, are under "Receivables by age".
-- grain: invoice_id
-- params: as_of, today, tenant_id, currency
-- sources: charges, receivable_spans, invoices, tenants
-- permission: reports.read
-- converted_on: as_of
-- columns:
--   invoice_id | varchar | id | The invoice.
--   invoice_number | varchar | text | Its number.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name, else the customer's.
--   currency | varchar | text | ISO code, lower case.
--   amount_at_risk_minor | bigint | minor units | Open on the invoice.
--   attempts_count | bigint | count | Failed attempts.
--   first_failed_on | date | date | The day of the first.
--   last_failed_on | date | date | The day of the last.
--   next_attempt_at | timestamp with time zone | instant | When Stripe tries next; empty for an as-of day.
--   past_due_since_on | date | date | The first day it was past due; empty when it is not due yet.
--   days_past_due | bigint | days | Whole days since it was due.
--   failure_code | varchar | text | Why the last attempt failed: the card issuer's reason, else Stripe's.
--   failure_message | varchar | text | The same in words.
--   method | varchar | text | Card and last digits, or payment method.
--   is_automatic | boolean | yes/no | Charged automatically.
--   subscription_status | varchar | text | Status of its subscription; empty for an as-of day.
with clock as (
    select coalesce(cast($as_of as date), $today) as on_day
),

failed as (
    select
        h.invoice_id,
        count(*) as attempts_count,
        min(h.created_on) as first_failed_on,
        max(h.created_on) as last_failed_on,
        arg_max(coalesce(h.decline_code, h.failure_code), (h.created_at, h.charge_id)) as failure_code,
        arg_max(h.failure_message, (h.created_at, h.charge_id)) as failure_message,
        arg_max(
            case
                when h.card_last4 is not null then concat_ws(' ', h.card_brand, '…' || h.card_last4)
                else replace(h.payment_method_type, '_', ' ')
            end,
            (h.created_at, h.charge_id)
        ) as method
    from charges as h
    inner join clock as c on h.created_on <= c.on_day
    where h.status = 'failed' and h.invoice_id is not null
    group by h.invoice_id
),

at_risk as (
    select
        s.invoice_id,
        s.tenant_id,
        s.customer_id,
        s.currency,
        s.open_minor,
        c.on_day,
        case when s.is_due_stated then s.due_from_on + 1 else f.first_failed_on end as past_due_on,
        f.* exclude (invoice_id)
    from receivable_spans as s
    inner join clock as c on s.from_on <= c.on_day and (s.to_on is null or s.to_on > c.on_day)
    inner join failed as f on s.invoice_id = f.invoice_id
    where s.open_minor > 0 and matches(s.tenant_id, $tenant_id) and matches(s.currency, $currency)
)

select
    r.invoice_id,
    i.number as invoice_number,
    r.tenant_id,
    coalesce(t.name, c.name) as tenant_name,
    r.currency,
    r.open_minor as amount_at_risk_minor,
    r.attempts_count,
    r.first_failed_on,
    r.last_failed_on,
    case when $as_of is null then i.next_payment_attempt_at end as next_attempt_at,
    case when r.past_due_on <= r.on_day then r.past_due_on end as past_due_since_on,
    cast(greatest(r.on_day - coalesce(i.due_on, r.first_failed_on), 0) as bigint) as days_past_due,
    r.failure_code,
    r.failure_message,
    r.method,
    coalesce(i.collection_method = 'charge_automatically', false) as is_automatic,
    case when $as_of is null then s.status end as subscription_status
from at_risk as r
left join invoices as i on r.invoice_id = i.invoice_id
left join tenants as t on r.tenant_id = t.tenant_id
left join customers as c on r.customer_id = c.customer_id
left join subscriptions as s on i.subscription_id = s.subscription_id
order by r.open_minor desc, r.invoice_id
