-- title: Postings of the journal
-- purpose: Each posting behind the journal. A voucher is one kind, subject and day, and balances. The postings of a month, account, VAT code and
--   currency add up to its debit and credit. Deferrals and accruals are posted on the month's last day, for the running month on the as-of day.
-- grain: entry_on, kind, subject_id, currency, account, vat_code
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: voucher_postings, revenue_items, accounts, tenants, invoices
-- permission: reports.read
-- columns:
--   entry_on | date | date | The day of the posting.
--   month | date | month | First day of its month.
--   kind | varchar | text | What happened: invoice, credit_note, payment, refund, fee, payout, loss, deferral, accrual, …
--   subject_id | varchar | id | The document or movement.
--   invoice_id | varchar | id | The invoice concerned, where there is one.
--   invoice_number | varchar | text | Its number.
--   tenant_id | varchar | id | The tenant, where there is one.
--   tenant_name | varchar | text | Its name.
--   account | varchar | id | Number of the account.
--   account_name | varchar | text | Its name.
--   vat_code | varchar | text | VAT code; empty for a posting without.
--   currency | varchar | text | ISO code, lower case.
--   debit_minor | bigint | minor units | Debited.
--   credit_minor | bigint | minor units | Credited.
select
    p.entry_on,
    p.month,
    p.kind,
    p.subject_id,
    p.invoice_id,
    i.number as invoice_number,
    p.tenant_id,
    t.name as tenant_name,
    p.account,
    p.account_name,
    p.vat_code,
    p.currency,
    greatest(p.amount_minor, 0) as debit_minor,
    greatest(-p.amount_minor, 0) as credit_minor
from journal_postings($to_date, $as_of, $today, $tenant_id, $currency) as p
left join tenants as t on p.tenant_id = t.tenant_id
left join invoices as i on p.invoice_id = i.invoice_id
where in_window(p.entry_on, month_of(cast($from_date as date)), $to_date, null)
order by p.entry_on, p.kind, p.subject_id, p.account, p.vat_code nulls last, p.currency
