-- title: Invoices by status
-- purpose: How many invoices stand in which status, by the month they were finalized (drafts: created). With an as-of day the status is rebuilt
--   from the dates of finalizing, payment, voiding and write-off, and what is open from the payments and credit notes up to that day. Open is
--   the amount remaining of open invoices, with tax; drafts, paid, void and uncollectible invoices have nothing open.
-- grain: month, currency, status
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: invoices, receivable_spans
-- permission: reports.read
-- converted_on: month
-- added: invoices_count
-- columns:
--   month | date | month | Month of finalization, of creation for drafts.
--   currency | varchar | text | ISO code, lower case.
--   status | varchar | text | draft, open, paid, void or uncollectible.
--   invoices_count | bigint | count | Invoices.
--   total_minor | bigint | minor units | Sum of their totals, with tax.
--   open_minor | bigint | minor units | Sum of what remains to be paid, with tax.
with placed as (
    select
        status,
        currency,
        total_minor,
        open_minor,
        case when status = 'draft' then coalesce(created_on, finalized_on) else finalized_on end as placed_on
    from invoices_as_of(cast($as_of as date))
    where matches(tenant_id, $tenant_id) and matches(currency, $currency)
)

select
    month_of(placed_on) as month,
    currency,
    status,
    count(*) as invoices_count,
    sum_minor(total_minor) as total_minor,
    sum_minor(open_minor) as open_minor
from placed
where in_window(placed_on, $from_date, $to_date, null)
group by month_of(placed_on), currency, status
order by month, currency, status
