-- title: Revenue per month
-- purpose: Three views that are never mixed. Invoiced is what was finalized in the month, without tax and before credits; an invoice that is voided
--   counts negative in the month of its voiding, earlier months do not change. Credited is credit notes without tax, in their month of issue; net
--   invoiced is the difference. Collected is payments by payment date, in or outside Stripe, with tax. Refunded is money returned, by the day of
--   the refund, with tax. Tax is the moms on the invoices finalized in the month, less the moms of those voided in it, before credits. Months
--   without anything between the first and the last of a currency are present with zeros. Currencies are never added.
-- grain: month, currency
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: revenue_entries
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month, in the reporting time zone.
--   currency | varchar | text | ISO code, lower case.
--   invoiced_minor | bigint | minor units | Finalized less voided, without tax, before credits.
--   credited_minor | bigint | minor units | Credit notes, without tax.
--   collected_minor | bigint | minor units | Payments, with tax.
--   refunded_minor | bigint | minor units | Refunds, with tax.
--   tax_minor | bigint | minor units | Moms on invoices finalized less voided.
with entries as (
    select
        month_of(entry_on) as month,
        currency,
        invoiced_minor,
        credited_minor,
        collected_minor,
        refunded_minor,
        tax_minor
    from revenue_entries
    where
        in_window(entry_on, $from_date, $to_date, $as_of)
        and matches(tenant_id, $tenant_id)
        and matches(currency, $currency)
),

months as (
    select
        currency,
        unnest(generate_series(min(month), max(month), interval 1 month))::date as month
    from entries
    group by currency
)

select
    m.month,
    m.currency,
    sum_minor(e.invoiced_minor) as invoiced_minor,
    sum_minor(e.credited_minor) as credited_minor,
    sum_minor(e.collected_minor) as collected_minor,
    sum_minor(e.refunded_minor) as refunded_minor,
    sum_minor(e.tax_minor) as tax_minor
from months as m
left join entries as e on m.month = e.month and m.currency = e.currency
group by m.month, m.currency
order by m.month, m.currency
