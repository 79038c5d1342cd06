-- title: Journal
-- purpose: What to post per month, account, VAT code and currency: debit, credit, and the balance before and after. Each month and currency balances,
--   and so does each voucher behind it. An invoice is posted to debtors, revenue and VAT on the day it is finalized, a voiding and a credit note
--   the other way round on theirs; payments to the Stripe balance or, outside Stripe, to the bank; fees, payouts, disputes and refunds as Stripe
--   moved the balance. At each month's end (for the running month: the as-of day, today unless told) revenue is set right by what is deferred and
--   what is accrued, so that its accounts show what was earned. What is given up on an invoice is a loss, with tax. Accounts, names and VAT codes
--   come from the setting "accounts". An account has a row in every month from its first posting on.
-- grain: month, currency, account, vat_code
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: voucher_postings, revenue_items, accounts
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month, in the reporting time zone.
--   account | varchar | id | Number of the account.
--   account_name | varchar | text | Its name.
--   vat_code | varchar | text | VAT code of the postings; empty for those without.
--   currency | varchar | text | ISO code, lower case.
--   opening_minor | bigint | minor units | Balance at the start of the month, debit positive.
--   debit_minor | bigint | minor units | Debited in the month.
--   credit_minor | bigint | minor units | Credited in the month.
--   closing_minor | bigint | minor units | Balance at its end: opening + debit − credit.
--   postings_count | bigint | count | Postings in the month.
with postings as (
    select *
    from journal_postings($to_date, $as_of, $today, $tenant_id, $currency)
),

months as (
    select
        currency,
        month_of(least(reached_on($as_of, $today), cast($to_date as date) - 1)) as last_month,
        max(month) as last_posted_month
    from postings
    group by currency
),

lives as (
    select
        p.currency,
        p.account,
        p.vat_code,
        any_value(p.account_name) as account_name,
        unnest(generate_series(min(p.month), any_value(greatest(m.last_month, m.last_posted_month)), interval 1 month)) as month
    from postings as p
    inner join months as m on p.currency = m.currency
    group by p.currency, p.account, p.vat_code
),

turnover as (
    select
        month,
        currency,
        account,
        vat_code,
        sum(case when amount_minor > 0 then amount_minor else 0 end) as debit_minor,
        sum(case when amount_minor < 0 then -amount_minor else 0 end) as credit_minor,
        count(*) as postings_count
    from postings
    group by month, currency, account, vat_code
),

balances as (
    select
        cast(l.month as date) as month,
        l.account,
        l.account_name,
        l.vat_code,
        l.currency,
        coalesce(t.debit_minor, 0) as debit_minor,
        coalesce(t.credit_minor, 0) as credit_minor,
        coalesce(t.postings_count, 0) as postings_count,
        sum(coalesce(t.debit_minor, 0) - coalesce(t.credit_minor, 0)) over (
            partition by l.currency, l.account, l.vat_code order by l.month
        ) as closing_minor
    from lives as l
    left join turnover as t
        on
            l.month = t.month
            and l.currency = t.currency
            and l.account = t.account
            and l.vat_code is not distinct from t.vat_code
)

select
    month,
    account,
    account_name,
    vat_code,
    currency,
    cast(closing_minor - debit_minor + credit_minor as bigint) as opening_minor,
    cast(debit_minor as bigint) as debit_minor,
    cast(credit_minor as bigint) as credit_minor,
    cast(closing_minor as bigint) as closing_minor,
    postings_count
from balances
where in_window(month, month_of(cast($from_date as date)), $to_date, null)
order by month, currency, account, vat_code nulls last
