-- title: Invoices by number
-- purpose: Each finalized invoice with its number taken apart, in the order of the numbers: the invoices behind "Invoice numbers". Out of order is an
--   invoice that was finalized before one with a lower number of its series.
-- grain: invoice_id
-- params: as_of
-- sources: invoices, tenants
-- permission: reports.read
-- columns:
--   invoice_id | varchar | id | The invoice.
--   number | varchar | text | Its number.
--   prefix | varchar | text | What stands before the digits; empty for an invoice without.
--   sequence_number | bigint | count | The digits as a number.
--   finalized_on | date | date | The day it was finalized.
--   status | varchar | text | At the end of the as-of day.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   is_out_of_order | boolean | yes/no | Finalized before an invoice with a lower number.
select
    s.invoice_id,
    s.number,
    s.prefix,
    s.sequence_number,
    s.finalized_on,
    i.status,
    s.tenant_id,
    t.name as tenant_name,
    coalesce(
        s.sequence_number is not null
        and s.finalized_on < max(s.finalized_on) over (
            partition by s.prefix order by s.sequence_number rows between unbounded preceding and 1 preceding
        ),
        false
    ) as is_out_of_order
from invoice_sequence as s
inner join invoices_as_of($as_of) as i on s.invoice_id = i.invoice_id
left join tenants as t on s.tenant_id = t.tenant_id
where in_window(s.finalized_on, null, null, $as_of)
order by s.prefix nulls last, s.sequence_number, s.invoice_id
