-- title: Rows behind revenue
-- purpose: The invoices, voidings, credit notes, payments and refunds that a figure of revenue is made of. Each row shows what it adds to each
--   figure, so that any cell of "Revenue per month" or "Revenue per tenant" is the sum of the rows of its month, tenant and currency.
-- grain: kind, subject_id
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: revenue_entries, tenants, customers, invoices
-- permission: reports.read
-- converted_on: month
-- columns:
--   entry_on | date | date | The day the row counts on.
--   month | date | month | First day of its month.
--   kind | varchar | text | invoice, invoice_voided, credit_note, credit_note_voided, payment or refund.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name, else the customer's.
--   invoice_id | varchar | id | The invoice concerned, where there is one.
--   invoice_number | varchar | text | Its number.
--   subject_id | varchar | id | The invoice, credit note, payment or refund.
--   currency | varchar | text | ISO code, lower case.
--   invoiced_minor | bigint | minor units | Adds to invoiced, without tax.
--   credited_minor | bigint | minor units | Adds to credited, without tax.
--   collected_minor | bigint | minor units | Adds to collected, with tax.
--   refunded_minor | bigint | minor units | Adds to refunded, with tax.
--   tax_minor | bigint | minor units | Adds to tax.
--   detail | varchar | text | Number, reason or bank reference.
select
    e.entry_on,
    month_of(e.entry_on) as month,
    e.kind,
    e.tenant_id,
    coalesce(t.name, c.name) as tenant_name,
    e.invoice_id,
    i.number as invoice_number,
    e.subject_id,
    e.currency,
    cast(e.invoiced_minor as bigint) as invoiced_minor,
    cast(e.credited_minor as bigint) as credited_minor,
    cast(e.collected_minor as bigint) as collected_minor,
    cast(e.refunded_minor as bigint) as refunded_minor,
    cast(e.tax_minor as bigint) as tax_minor,
    e.detail
from revenue_entries as e
left join tenants as t on e.tenant_id = t.tenant_id
left join customers as c on e.customer_id = c.customer_id
left join invoices as i on e.invoice_id = i.invoice_id
where
    in_window(e.entry_on, $from_date, $to_date, $as_of)
    and matches(e.tenant_id, $tenant_id)
    and matches(e.currency, $currency)
order by e.entry_on, e.kind, e.subject_id
