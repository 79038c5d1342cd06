-- title: Revenue per tenant
-- purpose: Invoiced, credited and net revenue of each tenant per month, without tax, by the same rules as "Revenue per month"; what
--   was collected and refunded stands beside it, with tax, and what was earned by the days of service, without. Customers that belong to no
--   tenant are one row without a tenant. Months in which a tenant has nothing have no row.
-- grain: month, tenant_id, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: revenue_entries, revenue_items, tenants
-- permission: reports.read
-- converted_on: month
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
--   recognised_minor | bigint | minor units | Earned in the month, without tax.
--   deferred_minor | bigint | minor units | Invoiced and not yet earned at the month's end, without tax.
--   accrued_minor | bigint | minor units | Earned and not yet invoiced at the month's end, without tax.
with entries as (
    select
        month_of(entry_on) as month,
        tenant_id,
        currency,
        invoiced_minor,
        credited_minor,
        tax_minor,
        collected_minor,
        refunded_minor,
        0 as recognised_minor,
        0 as deferred_minor,
        0 as accrued_minor
    from revenue_entries
    where
        in_window(entry_on, $from_date, $to_date, $as_of)
        and matches(tenant_id, $tenant_id)
        and matches(currency, $currency)
    union all
    select
        month,
        tenant_id,
        currency,
        0 as invoiced_minor,
        0 as credited_minor,
        0 as tax_minor,
        0 as collected_minor,
        0 as refunded_minor,
        recognised_minor,
        deferred_minor,
        accrued_minor
    from recognition_by_month($from_date, $to_date, $as_of, $today, $tenant_id, $currency)
)

select
    e.month,
    e.tenant_id,
    any_value(t.name) as tenant_name,
    e.currency,
    sum_minor(e.invoiced_minor) as invoiced_minor,
    sum_minor(e.credited_minor) as credited_minor,
    sum_minor(e.invoiced_minor - e.credited_minor) as net_minor,
    sum_minor(e.tax_minor) as tax_minor,
    sum_minor(e.collected_minor) as collected_minor,
    sum_minor(e.refunded_minor) as refunded_minor,
    sum_minor(e.recognised_minor) as recognised_minor,
    sum_minor(e.deferred_minor) as deferred_minor,
    sum_minor(e.accrued_minor) as accrued_minor
from entries as e
left join tenants as t on e.tenant_id = t.tenant_id
group by e.month, e.tenant_id, e.currency
order by e.month, e.tenant_id nulls last, e.currency
