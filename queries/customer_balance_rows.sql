-- title: Movements of customers' balances
-- purpose: Each movement behind "Credit balances of customers", in order: the amounts of a customer and currency add up to its balance. Negative
--   gives credit, positive uses it.
-- grain: customer_balance_transaction_id
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: customer_balance_transactions, customers, tenants, invoices, credit_notes
-- permission: reports.read
-- columns:
--   created_on | date | date | The day of the movement.
--   customer_balance_transaction_id | varchar | id | The movement.
--   customer_id | varchar | id | The customer.
--   tenant_id | varchar | id | Its tenant; empty when it belongs to none.
--   customer_name | varchar | text | The tenant's name, else the customer's.
--   type | varchar | text | As Stripe says: credit_note, applied_to_invoice, adjustment, …
--   invoice_id | varchar | id | The invoice concerned, where there is one.
--   invoice_number | varchar | text | Its number.
--   credit_note_number | varchar | text | Number of the credit note, where there is one.
--   currency | varchar | text | ISO code, lower case.
--   amount_minor | bigint | minor units | Change of the balance.
--   ending_balance_minor | bigint | minor units | The balance after it, as Stripe states it.
select
    b.created_on,
    b.customer_balance_transaction_id,
    b.customer_id,
    c.tenant_id,
    coalesce(t.name, c.name) as customer_name,
    b.type,
    b.invoice_id,
    i.number as invoice_number,
    n.number as credit_note_number,
    b.currency,
    b.amount_minor,
    b.ending_balance_minor
from customer_balance_transactions as b
left join customers as c on b.customer_id = c.customer_id
left join tenants as t on c.tenant_id = t.tenant_id
left join invoices as i on b.invoice_id = i.invoice_id
left join credit_notes as n on b.credit_note_id = n.credit_note_id
where
    in_window(b.created_on, $from_date, $to_date, $as_of)
    and matches(c.tenant_id, $tenant_id)
    and matches(b.currency, $currency)
order by b.created_on, b.created_at, b.customer_balance_transaction_id
