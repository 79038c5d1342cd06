-- title: Revenue per month
-- purpose: Three views that are never mixed. Invoiced is what was finalized in the month, without tax and before credits; an invoice that is voided
--   counts negative in the month of its voiding, earlier months do not change. Credited is credit notes without tax, in their month of issue; net
--   invoiced is the difference. Collected is payments by payment date, in or outside Stripe, with tax. Refunded is money returned, by the day of
--   the refund, with tax. Tax is the moms on the invoices finalized in the month, less the moms of those voided in it, before credits. Months
--   without anything between the first and the last of a currency are present with zeros. Currencies are never added.
--   Recognised is what was earned in the month, without tax: each line, less its discount, spread evenly over the days of its service period in the
--   reporting time zone, rounded as a running total so that the whole is preserved. A line without a period is earned on the day of its invoice.
--   Credit notes take back what their lines have earned so far on the day of issue and the rest over the days that are left, or all of it that day
--   when they name no line; a voiding does the same. Deferred is what was invoiced and not yet earned at the end of the month, accrued what was
--   earned and invoiced later, but by the as-of day. So recognised to date = net invoiced to date − deferred + accrued. An invoice that is written
--   off stays earned: it is a loss, and is in the journal.
-- grain: month, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: revenue_entries, revenue_items
-- permission: reports.read
-- converted_on: month
-- columns:
--   month | date | month | First day of the month, in the reporting time zone.
--   currency | varchar | text | ISO code, lower case.
--   invoiced_minor | bigint | minor units | Finalized less voided, without tax, before credits.
--   credited_minor | bigint | minor units | Credit notes, without tax.
--   collected_minor | bigint | minor units | Payments, with tax.
--   refunded_minor | bigint | minor units | Refunds, with tax.
--   tax_minor | bigint | minor units | Moms on invoices finalized less voided.
--   recognised_minor | bigint | minor units | Earned in the month, without tax.
--   deferred_minor | bigint | minor units | Invoiced and not yet earned at the month's end, without tax.
--   accrued_minor | bigint | minor units | Earned and not yet invoiced at the month's end, without tax.
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

recognised as (
    select
        month,
        currency,
        sum_minor(recognised_minor) as recognised_minor,
        sum_minor(deferred_minor) as deferred_minor,
        sum_minor(accrued_minor) as accrued_minor
    from recognition_by_month($from_date, $to_date, $as_of, $today, $tenant_id, $currency)
    group by month, currency
),

found as (
    select
        month,
        currency
    from entries
    union
    select
        month,
        currency
    from recognised
),

months as (
    select
        currency,
        unnest(generate_series(min(month), max(month), interval 1 month))::date as month
    from found
    group by currency
)

select
    m.month,
    m.currency,
    sum_minor(e.invoiced_minor) as invoiced_minor,
    sum_minor(e.credited_minor) as credited_minor,
    sum_minor(e.collected_minor) as collected_minor,
    sum_minor(e.refunded_minor) as refunded_minor,
    sum_minor(e.tax_minor) as tax_minor,
    coalesce(any_value(r.recognised_minor), 0) as recognised_minor,
    coalesce(any_value(r.deferred_minor), 0) as deferred_minor,
    coalesce(any_value(r.accrued_minor), 0) as accrued_minor
from months as m
left join entries as e on m.month = e.month and m.currency = e.currency
left join recognised as r on m.month = r.month and m.currency = r.currency
group by m.month, m.currency
order by m.month, m.currency
