-- title: Lines of an invoice
-- purpose: What one invoice charges for. A line's amount is without tax and before its discount; the period ends on the first day that is
--   no longer covered.
-- grain: invoice_line_id
-- params: invoice_id
-- sources: invoice_lines, products
-- permission: reports.read
-- columns:
--   invoice_line_id | varchar | id | The line.
--   invoice_id | varchar | id | Its invoice.
--   position | integer | count | Place on the invoice.
--   description | varchar | text | As printed.
--   product_name | varchar | text | The product sold.
--   price_id | varchar | id | Its price.
--   usage_type | varchar | text | licensed or metered.
--   quantity | decimal(20,6) | quantity | How many.
--   unit_amount_decimal | decimal(24,12) | minor units | Price per unit, without tax.
--   amount_minor | bigint | minor units | Without tax, before discount.
--   discount_minor | bigint | minor units | Discount on the line.
--   tax_minor | bigint | minor units | Moms on the line.
--   currency | varchar | text | ISO code, lower case.
--   period_start_on | date | date | First day covered.
--   period_end_on | date | date | First day not covered any more.
--   is_proration | boolean | yes/no | Whether it comes from a change within a period.
select
    l.invoice_line_id,
    l.invoice_id,
    l.position,
    l.description,
    p.name as product_name,
    l.price_id,
    l.usage_type,
    l.quantity,
    l.unit_amount_decimal,
    l.amount_minor,
    l.discount_minor,
    l.tax_minor,
    l.currency,
    l.period_start_on,
    l.period_end_on,
    l.is_proration
from invoice_lines as l
left join products as p on l.product_id = p.product_id
where l.invoice_id = $invoice_id
order by l.position, l.invoice_line_id
