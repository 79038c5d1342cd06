-- title: Credit balances of customers
-- purpose: What is owed to each customer, or carried over to its next invoice, at the end of the as-of day: the sum of the movements of its
--   balance in Stripe. Negative is credit, as in Stripe: it reduces the next invoice and is a liability; positive is added to it. Given is credit
--   granted, used is credit taken by invoices. As things stand the balance that Stripe states is beside it, and the difference is 0 unless
--   movements are missing in the mirror. Customers without any movement and balance are left out. Amounts include tax.
-- grain: customer_id, currency
-- params: as_of, tenant_id, currency
-- sources: customer_balance_transactions, customers, tenants
-- permission: reports.read
-- columns:
--   customer_id | varchar | id | The customer.
--   tenant_id | varchar | id | Its tenant; empty when it belongs to none.
--   currency | varchar | text | ISO code, lower case.
--   balance_minor | bigint | minor units | Balance; negative is the customer's credit.
--   credit_minor | bigint | minor units | The part that is owed to the customer.
--   debit_minor | bigint | minor units | The part that the next invoice adds.
--   given_minor | bigint | minor units | Credit granted so far.
--   used_minor | bigint | minor units | Credit used and taken back so far.
--   last_on | date | date | The day of the last movement.
--   stripe_balance_minor | bigint | minor units | What Stripe states now; empty for an as-of day and for other currencies than the customer's.
--   difference_minor | bigint | minor units | Stripe's less ours; empty when Stripe's is.
--   transactions_count | bigint | count | Movements.
--   customer_name | varchar | text | The tenant's name, else the customer's.
with moved as (
    select
        customer_id,
        currency,
        sum(amount_minor) as balance_minor,
        sum(case when amount_minor < 0 then -amount_minor else 0 end) as given_minor,
        sum(case when amount_minor > 0 then amount_minor else 0 end) as used_minor,
        max(created_on) as last_on,
        count(*) as transactions_count
    from customer_balance_transactions
    where in_window(created_on, null, null, $as_of)
    group by customer_id, currency
),

stated as (
    select
        c.customer_id,
        coalesce(c.currency, t.currency) as currency,
        c.balance_minor
    from customers as c
    left join tenants as t on c.tenant_id = t.tenant_id
    where $as_of is null and not c.is_deleted and coalesce(c.currency, t.currency) is not null
),

totals as (
    select
        coalesce(m.customer_id, s.customer_id) as customer_id,
        coalesce(m.currency, s.currency) as currency,
        coalesce(m.balance_minor, 0) as balance_minor,
        coalesce(m.given_minor, 0) as given_minor,
        coalesce(m.used_minor, 0) as used_minor,
        m.last_on,
        s.balance_minor as stripe_balance_minor,
        coalesce(m.transactions_count, 0) as transactions_count
    from moved as m
    full outer join stated as s on m.customer_id = s.customer_id and m.currency = s.currency
    where m.customer_id is not null or s.balance_minor <> 0
)

select
    b.customer_id,
    c.tenant_id,
    b.currency,
    cast(b.balance_minor as bigint) as balance_minor,
    cast(greatest(-b.balance_minor, 0) as bigint) as credit_minor,
    cast(greatest(b.balance_minor, 0) as bigint) as debit_minor,
    cast(b.given_minor as bigint) as given_minor,
    cast(b.used_minor as bigint) as used_minor,
    b.last_on,
    b.stripe_balance_minor,
    cast(b.stripe_balance_minor - b.balance_minor as bigint) as difference_minor,
    b.transactions_count,
    coalesce(t.name, c.name) as customer_name
from totals as b
left join customers as c on b.customer_id = c.customer_id
left join tenants as t on c.tenant_id = t.tenant_id
where matches(c.tenant_id, $tenant_id) and matches(b.currency, $currency)
order by c.tenant_id nulls last, b.customer_id, b.currency
