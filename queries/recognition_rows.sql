-- title: Rows behind recognised revenue
-- purpose: Each line of an invoice, credit note or voiding in each month in which it is booked, earns, or is waiting to. A row shows what the line
--   adds to each figure, so that the rows of a month, tenant, product and currency add up to "Revenue per month", "Revenue per tenant" and "Revenue
--   per product". Deferred and accrued are balances at the end of the month, or at the as-of day in its month.
-- grain: month, kind, item_id
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: revenue_items, tenants, products, invoices
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month.
--   kind | varchar | text | invoice, invoice_voided, credit_note or credit_note_voided.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   invoice_id | varchar | id | The invoice concerned.
--   invoice_number | varchar | text | Its number.
--   subject_id | varchar | id | The invoice or credit note.
--   item_id | varchar | id | The line; ends in :rest for what no line names.
--   description | varchar | text | The line's text.
--   product_id | varchar | id | The product.
--   product_name | varchar | text | Its name.
--   currency | varchar | text | ISO code, lower case.
--   booked_on | date | date | The day the document counts on.
--   service_from_on | date | date | First day of service.
--   service_to_on | date | date | The day after the last day of service.
--   amount_minor | bigint | minor units | The whole line, without tax, less its discount; negative for credits and voidings.
--   invoiced_minor | bigint | minor units | Adds to invoiced of the month.
--   credited_minor | bigint | minor units | Adds to credited of the month.
--   recognised_minor | bigint | minor units | Adds to recognised of the month.
--   deferred_minor | bigint | minor units | Adds to deferred at the month's end.
--   accrued_minor | bigint | minor units | Adds to accrued at the month's end.
select
    m.month,
    m.kind,
    m.tenant_id,
    t.name as tenant_name,
    m.invoice_id,
    i.number as invoice_number,
    m.subject_id,
    m.item_id,
    m.description,
    m.product_id,
    p.name as product_name,
    m.currency,
    m.booked_on,
    m.service_from_on,
    m.service_to_on,
    m.net_minor as amount_minor,
    cast(case when m.kind in ('invoice', 'invoice_voided') then m.booked_minor else 0 end as bigint) as invoiced_minor,
    cast(case when m.kind in ('credit_note', 'credit_note_voided') then -m.booked_minor else 0 end as bigint) as credited_minor,
    cast(m.recognised_minor as bigint) as recognised_minor,
    cast(m.deferred_minor as bigint) as deferred_minor,
    cast(m.accrued_minor as bigint) as accrued_minor
from recognition_by_month($from_date, $to_date, $as_of, $today, $tenant_id, $currency) as m
left join tenants as t on m.tenant_id = t.tenant_id
left join products as p on m.product_id = p.product_id
left join invoices as i on m.invoice_id = i.invoice_id
order by m.month, m.booked_on, m.kind, m.item_id
