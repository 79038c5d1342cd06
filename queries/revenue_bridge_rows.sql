-- title: Rows behind the change of revenue
-- purpose: The lines behind "Why revenue changed": those of the month, and with the opposite sign those of the month before. The rows of a tenant,
--   month and currency add up to each of its parts.
-- grain: tenant_id, month, currency, booked_month, kind, item_id
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: revenue_items, tenants, invoices
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   month | date | month | The month that is compared with the one before.
--   currency | varchar | text | ISO code, lower case.
--   booked_month | date | month | The month the line is of: this one or the one before.
--   kind | varchar | text | invoice, invoice_voided, credit_note or credit_note_voided.
--   item_id | varchar | id | The line; ends in :rest for what no line names.
--   subject_id | varchar | id | The invoice or credit note.
--   invoice_id | varchar | id | The invoice concerned.
--   invoice_number | varchar | text | Its number.
--   description | varchar | text | The line's text.
--   part | varchar | text | units, flat or other.
--   quantity | decimal(20,6) | quantity | Its quantity, negative for the month before.
--   units_minor | bigint | minor units | Adds to units.
--   price_minor | bigint | minor units | Adds to price.
--   flat_minor | bigint | minor units | Adds to flat.
--   discount_minor | bigint | minor units | Adds to discount.
--   other_minor | bigint | minor units | Adds to other.
--   total_change_minor | bigint | minor units | Adds to the total.
--   tenant_name | varchar | text | The tenant's name.
select
    b.tenant_id,
    b.month,
    b.currency,
    b.booked_month,
    b.kind,
    b.item_id,
    b.subject_id,
    b.invoice_id,
    i.number as invoice_number,
    b.description,
    b.part,
    b.quantity,
    cast(b.units_minor as bigint) as units_minor,
    cast(b.price_minor as bigint) as price_minor,
    cast(b.flat_minor as bigint) as flat_minor,
    cast(b.discount_minor as bigint) as discount_minor,
    cast(b.other_minor as bigint) as other_minor,
    b.total_change_minor,
    t.name as tenant_name
from bridge_items($as_of, $tenant_id, $currency) as b
left join tenants as t on b.tenant_id = t.tenant_id
left join invoices as i on b.invoice_id = i.invoice_id
where
    in_window(b.month, month_of(cast($from_date as date)), $to_date, null)
    and b.month <= reached_on($as_of, $today)
order by b.tenant_id nulls last, b.month, b.currency, b.booked_month desc, b.kind, b.item_id
