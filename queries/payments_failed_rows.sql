-- title: Attempts that failed
-- purpose: Each failed charge of an invoice, in order, with its reason: the attempts behind "Failed payments", and those of invoices that were paid
--   after all. An amount is what was tried, with tax; it is the same money each time, so attempts are counted and not added up.
-- grain: charge_id
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: charges, invoices, tenants
-- permission: reports.read
-- columns:
--   created_on | date | date | The day of the attempt.
--   charge_id | varchar | id | The charge.
--   invoice_id | varchar | id | The invoice.
--   invoice_number | varchar | text | Its number.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   currency | varchar | text | ISO code, lower case.
--   amount_minor | bigint | minor units | What was tried.
--   failure_code | varchar | text | Why: the card issuer's reason, else Stripe's.
--   failure_message | varchar | text | The same in words.
--   method | varchar | text | Card and last digits, or payment method.
select
    h.created_on,
    h.charge_id,
    h.invoice_id,
    i.number as invoice_number,
    coalesce(h.tenant_id, i.tenant_id) as tenant_id,
    t.name as tenant_name,
    h.currency,
    h.amount_minor,
    coalesce(h.decline_code, h.failure_code) as failure_code,
    h.failure_message,
    case
        when h.card_last4 is not null then concat_ws(' ', h.card_brand, '…' || h.card_last4)
        else replace(h.payment_method_type, '_', ' ')
    end as method
from charges as h
left join invoices as i on h.invoice_id = i.invoice_id
left join tenants as t on coalesce(h.tenant_id, i.tenant_id) = t.tenant_id
where
    h.status = 'failed'
    and h.invoice_id is not null
    and in_window(h.created_on, $from_date, $to_date, $as_of)
    and matches(coalesce(h.tenant_id, i.tenant_id), $tenant_id)
    and matches(h.currency, $currency)
order by h.created_at, h.charge_id
