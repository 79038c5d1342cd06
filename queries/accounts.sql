-- title: Accounts of the journal
-- purpose: Which account, name and VAT code the journal uses for what. All of them can be set; those that nobody set are the ones this product comes
--   with.
-- grain: role
-- params:
-- sources: settings
-- permission: reports.read
-- columns:
--   role | varchar | text | What is posted on it.
--   account | varchar | id | Number of the account.
--   account_name | varchar | text | Its name.
--   vat_code | varchar | text | VAT code of its postings; empty for none.
select
    role,
    account,
    account_name,
    vat_code
from accounts
order by account, role
