-- title: Movements of the Stripe balance
-- purpose: Each payment, refund, dispute and fee with the payout that carried it to the bank, and the payouts themselves. The net amounts of a
--   payout's rows add up to what it should be; those without a payout, with the payouts that left, are what is still in the Stripe balance.
-- grain: balance_transaction_id
-- params: from_date, to_date, as_of, currency
-- sources: balance_transactions, payouts, charges, refunds, invoices
-- permission: reports.read
-- columns:
--   created_on | date | date | The day of the movement.
--   balance_transaction_id | varchar | id | The movement.
--   payout_id | varchar | id | The payout that carried it; empty while it is in the balance, and for payouts themselves.
--   type | varchar | text | As Stripe says.
--   source_id | varchar | id | The charge, refund, dispute or payout.
--   invoice_id | varchar | id | The invoice concerned, where there is one.
--   invoice_number | varchar | text | Its number.
--   tenant_id | varchar | id | The tenant, where there is one.
--   currency | varchar | text | ISO code, lower case.
--   amount_minor | bigint | minor units | Before the fee; negative when money left.
--   fee_minor | bigint | minor units | The fee.
--   net_minor | bigint | minor units | Amount less fee.
--   available_on | date | date | The day it may be paid out.
select
    b.created_on,
    b.balance_transaction_id,
    p.payout_id,
    b.type,
    b.source_id,
    coalesce(h.invoice_id, r.invoice_id) as invoice_id,
    i.number as invoice_number,
    coalesce(h.tenant_id, r.tenant_id, i.tenant_id) as tenant_id,
    b.currency,
    b.amount_minor,
    b.fee_minor,
    b.net_minor,
    local_date(b.available_at) as available_on
from balance_transactions as b
left join payouts as p on b.payout_id = p.payout_id and b.source_id is distinct from p.payout_id and ($as_of is null or p.created_on <= $as_of)
left join charges as h on b.source_id = h.charge_id
left join refunds as r on b.source_id = r.refund_id
left join invoices as i on coalesce(h.invoice_id, r.invoice_id) = i.invoice_id
where in_window(b.created_on, $from_date, $to_date, $as_of) and matches(b.currency, $currency)
order by b.created_on, b.balance_transaction_id
