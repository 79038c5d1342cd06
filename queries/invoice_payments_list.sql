-- title: Payments of an invoice
-- purpose: What happened to the money of one invoice, in order: payments, failed attempts with their reason, refunds and credit notes. Amounts
--   include tax and are positive; the kind says which way they go.
-- grain: kind, subject_id
-- params: invoice_id
-- sources: payments, charges, refunds, credit_notes
-- permission: reports.read
-- columns:
--   kind | varchar | text | payment, failed_attempt, refund or credit_note.
--   subject_id | varchar | id | The payment, charge, refund or credit note.
--   on_date | date | date | The day it counts on.
--   amount_minor | bigint | minor units | Amount, with tax.
--   currency | varchar | text | ISO code, lower case.
--   status | varchar | text | As Stripe says.
--   method | varchar | text | Card and last digits, payment method, or outside Stripe.
--   reason | varchar | text | Why it failed, was refunded or credited; the bank reference of a payment.
with methods as (
    select
        *,
        case
            when card_last4 is not null then concat_ws(' ', card_brand, '…' || card_last4)
            else replace(payment_method_type, '_', ' ')
        end as method
    from charges
),

found as (
    select
        'payment' as kind,
        p.payment_id as subject_id,
        p.paid_on as on_date,
        p.amount_minor,
        p.currency,
        'paid' as status,
        case when p.is_outside_stripe then 'outside Stripe' else h.method end as method,
        p.reference as reason,
        1 as place
    from paid_payments as p
    left join methods as h on p.charge_id = h.charge_id
    where p.invoice_id = $invoice_id
    union all
    select
        'failed_attempt' as kind,
        charge_id as subject_id,
        created_on as on_date,
        amount_minor,
        currency,
        status,
        method,
        coalesce(failure_message, decline_code, failure_code) as reason,
        0 as place
    from methods
    where invoice_id = $invoice_id and status = 'failed'
    union all
    select
        'refund' as kind,
        r.refund_id as subject_id,
        r.created_on as on_date,
        r.amount_minor,
        r.currency,
        r.status,
        h.method,
        replace(r.reason, '_', ' ') as reason,
        3 as place
    from refunds as r
    left join methods as h on r.charge_id = h.charge_id
    where coalesce(r.invoice_id, h.invoice_id) = $invoice_id
    union all
    select
        'credit_note' as kind,
        credit_note_id as subject_id,
        issued_on as on_date,
        total_minor as amount_minor,
        currency,
        status,
        number as method,
        coalesce(memo, replace(reason, '_', ' ')) as reason,
        2 as place
    from credit_notes
    where invoice_id = $invoice_id
)

select
    kind,
    subject_id,
    on_date,
    amount_minor,
    currency,
    status,
    method,
    reason
from found
order by on_date, place, subject_id
