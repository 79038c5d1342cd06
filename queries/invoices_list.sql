-- title: Invoices
-- purpose: Every invoice with its amounts and dates. Status and what is open are those at the end of the as-of day, else as things stand. The
--   range chooses by the day of finalization, drafts by the day of creation. Days past due count from the due day, or from the
--   finalization when there is no due day.
-- grain: invoice_id
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: invoices, receivable_spans, tenants, customers
-- permission: reports.read
-- converted_on: finalized_on
-- columns:
--   invoice_id | varchar | id | The invoice.
--   number | varchar | text | Its number; drafts have none.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   customer_id | varchar | id | The Stripe customer; empty for imported invoices.
--   customer_name | varchar | text | Its name at Stripe.
--   subscription_id | varchar | id | The subscription billed, if any.
--   status | varchar | text | draft, open, paid, void or uncollectible.
--   currency | varchar | text | ISO code, lower case.
--   subtotal_minor | bigint | minor units | Sum of the lines before discount and tax.
--   discount_minor | bigint | minor units | Discounts.
--   tax_minor | bigint | minor units | Moms.
--   total_minor | bigint | minor units | With tax.
--   open_minor | bigint | minor units | What remains to be paid and is still expected.
--   written_off_minor | bigint | minor units | What was unpaid on an uncollectible invoice, else 0.
--   created_on | date | date | The draft's day.
--   finalized_on | date | date | Issued.
--   due_on | date | date | Due day, empty when it is charged automatically.
--   paid_on | date | date | Settled.
--   voided_on | date | date | Voided.
--   days_past_due | bigint | days | Whole days since it was due, for open invoices only; 0 is not past due.
--   is_due_stated | boolean | yes/no | Whether the invoice names a due day.
--   collection_method | varchar | text | charge_automatically or send_invoice.
--   billing_reason | varchar | text | Why it was made.
--   attempt_count | integer | count | Tries to charge it.
--   next_payment_attempt_at | timestamp with time zone | instant | Next try.
--   automatically_finalizes_at | timestamp with time zone | instant | When a draft finalizes by itself.
--   hosted_invoice_url | varchar | text | Stripe's page of the invoice.
--   invoice_pdf | varchar | text | Stripe's PDF.
--   source | varchar | text | stripe or import.
select
    i.invoice_id,
    i.number,
    i.tenant_id,
    t.name as tenant_name,
    i.customer_id,
    c.name as customer_name,
    i.subscription_id,
    i.status,
    i.currency,
    i.subtotal_minor,
    i.discount_minor,
    i.tax_minor,
    i.total_minor,
    i.open_minor,
    case when i.status = 'uncollectible' then i.amount_remaining_minor else 0 end as written_off_minor,
    coalesce(i.created_on, i.finalized_on) as created_on,
    i.finalized_on,
    i.due_on,
    case when i.status = 'paid' then i.settled_on end as paid_on,
    case when i.status = 'void' then i.void_on end as voided_on,
    case
        when i.status = 'open' and i.open_minor > 0 then greatest(coalesce(cast($as_of as date), $today) - i.due_from_on, 0)
    end as days_past_due,
    i.is_due_stated,
    i.collection_method,
    i.billing_reason,
    i.attempt_count,
    i.next_payment_attempt_at,
    i.automatically_finalizes_at,
    i.hosted_invoice_url,
    i.invoice_pdf,
    i.source
from invoices_as_of(cast($as_of as date)) as i
left join tenants as t on i.tenant_id = t.tenant_id
left join customers as c on i.customer_id = c.customer_id
where
    in_window(case when i.status = 'draft' then coalesce(i.created_on, i.finalized_on) else i.finalized_on end, $from_date, $to_date, null)
    and matches(i.tenant_id, $tenant_id)
    and matches(i.currency, $currency)
order by i.finalized_on desc nulls first, i.number desc, i.invoice_id
