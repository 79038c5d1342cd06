-- title: Revenue per tenant
-- purpose: Invoiced, credited and net revenue of each tenant per month, without tax, by the same rules as "Revenue per month"; what
--   was collected and refunded stands beside it, with tax. Customers that belong to no tenant are one row without a tenant. Months in which
--   a tenant has nothing have no row.
-- grain: month, tenant_id, currency
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: revenue_entries, tenants
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month, in the reporting time zone.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   currency | varchar | text | ISO code, lower case.
--   invoiced_minor | bigint | minor units | Finalized less voided, without tax, before credits.
--   credited_minor | bigint | minor units | Credit notes, without tax.
--   net_minor | bigint | minor units | Invoiced less credited.
--   tax_minor | bigint | minor units | Moms on invoices finalized less voided.
--   collected_minor | bigint | minor units | Payments, with tax.
--   refunded_minor | bigint | minor units | Refunds, with tax.
select
    month_of(e.entry_on) as month,
    e.tenant_id,
    any_value(t.name) as tenant_name,
    e.currency,
    sum_minor(e.invoiced_minor) as invoiced_minor,
    sum_minor(e.credited_minor) as credited_minor,
    sum_minor(e.invoiced_minor - e.credited_minor) as net_minor,
    sum_minor(e.tax_minor) as tax_minor,
    sum_minor(e.collected_minor) as collected_minor,
    sum_minor(e.refunded_minor) as refunded_minor
from revenue_entries as e
left join tenants as t on e.tenant_id = t.tenant_id
where
    in_window(e.entry_on, $from_date, $to_date, $as_of)
    and matches(e.tenant_id, $tenant_id)
    and matches(e.currency, $currency)
group by month_of(e.entry_on), e.tenant_id, e.currency
order by month, e.tenant_id nulls last, e.currency
