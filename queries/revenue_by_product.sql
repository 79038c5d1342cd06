-- title: Revenue per product
-- purpose: What each product brought per month, without tax: lines of invoices finalized less those voided, credit notes on lines of the product, and
--   what was earned by the days of service, by the same rules as "Revenue per month". Lines without a product, and amounts of invoices and credit
--   notes that no line names, are one row without a product. The products of a month add up to "Revenue per month".
-- grain: month, product_id, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: revenue_items, products
-- permission: reports.read
-- converted_on: month
-- columns:
--   month | date | month | First day of the month, in the reporting time zone.
--   product_id | varchar | id | The product; empty when the line names none.
--   currency | varchar | text | ISO code, lower case.
--   invoiced_minor | bigint | minor units | Finalized less voided, without tax, before credits.
--   credited_minor | bigint | minor units | Credit notes, without tax.
--   net_minor | bigint | minor units | Invoiced less credited.
--   recognised_minor | bigint | minor units | Earned in the month.
--   deferred_minor | bigint | minor units | Invoiced and not yet earned at the month's end.
--   accrued_minor | bigint | minor units | Earned and not yet invoiced at the month's end.
--   tenants_count | bigint | count | Tenants that were invoiced for it in the month.
--   product_name | varchar | text | Its name.
select
    m.month,
    m.product_id,
    m.currency,
    sum_minor(case when m.kind in ('invoice', 'invoice_voided') then m.booked_minor else 0 end) as invoiced_minor,
    sum_minor(case when m.kind in ('credit_note', 'credit_note_voided') then -m.booked_minor else 0 end) as credited_minor,
    sum_minor(m.booked_minor) as net_minor,
    sum_minor(m.recognised_minor) as recognised_minor,
    sum_minor(m.deferred_minor) as deferred_minor,
    sum_minor(m.accrued_minor) as accrued_minor,
    count(distinct case when m.kind = 'invoice' and m.booked_minor <> 0 then m.tenant_id end) as tenants_count,
    any_value(p.name) as product_name
from recognition_by_month($from_date, $to_date, $as_of, $today, $tenant_id, $currency) as m
left join products as p on m.product_id = p.product_id
group by m.month, m.product_id, m.currency
order by m.month, m.product_id nulls last, m.currency
