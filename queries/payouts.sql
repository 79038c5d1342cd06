-- title: Payouts
-- purpose: What Stripe sent to the bank, against the movements of the Stripe balance that each payout carries: payments, refunds, disputes and other
--   movements before fees, less fees, are what it should be. The difference is what it was less that, and is 0 or says why. A payout on request
--   and one that failed carry no list of movements in Stripe. Amounts include tax. A payout that was canceled or failed came back to the balance.
-- grain: payout_id
-- params: from_date, to_date, as_of, currency
-- sources: payouts, balance_transactions
-- permission: reports.read
-- converted_on: created_on
-- columns:
--   payout_id | varchar | id | The payout.
--   created_on | date | date | The day it left the Stripe balance.
--   arrival_on | date | date | The day it is expected at the bank.
--   status | varchar | text | As Stripe says now; empty for an as-of day.
--   currency | varchar | text | ISO code, lower case.
--   amount_minor | bigint | minor units | Sent to the bank.
--   payments_minor | bigint | minor units | Payments it carries, before fees.
--   refunds_minor | bigint | minor units | Refunds it carries, negative.
--   disputes_minor | bigint | minor units | Disputed amounts taken or given back, before fees.
--   other_minor | bigint | minor units | Other movements.
--   fees_minor | bigint | minor units | Fees of all of them, negative.
--   transactions_minor | bigint | minor units | The sum: what the payout should be.
--   difference_minor | bigint | minor units | Amount less the sum.
--   difference | varchar | text | Why: none, no list of movements, or unexplained.
--   transactions_count | bigint | count | Movements it carries.
with carried as (
    select
        payout_id,
        sum(case when type in ('charge', 'payment') then amount_minor else 0 end) as payments_minor,
        sum(case when type in ('refund', 'payment_refund', 'refund_failure', 'payment_failure_refund') then amount_minor else 0 end)
            as refunds_minor,
        sum(case when reporting_category in ('dispute', 'dispute_reversal') then amount_minor else 0 end) as disputes_minor,
        sum(amount_minor) as gross_minor,
        sum(fee_minor) as fees_minor,
        sum(net_minor) as net_minor,
        count(*) as transactions_count
    from balance_transactions
    -- A payout is a movement of the balance itself, and may be listed among its own.
    where payout_id is not null and source_id is distinct from payout_id
    group by payout_id
)

select
    p.payout_id,
    p.created_on,
    p.arrival_on,
    case when $as_of is null then p.status end as status,
    p.currency,
    p.amount_minor,
    cast(coalesce(c.payments_minor, 0) as bigint) as payments_minor,
    cast(coalesce(c.refunds_minor, 0) as bigint) as refunds_minor,
    cast(coalesce(c.disputes_minor, 0) as bigint) as disputes_minor,
    cast(coalesce(c.gross_minor - c.payments_minor - c.refunds_minor - c.disputes_minor, 0) as bigint) as other_minor,
    cast(coalesce(-c.fees_minor, 0) as bigint) as fees_minor,
    cast(coalesce(c.net_minor, 0) as bigint) as transactions_minor,
    cast(p.amount_minor - coalesce(c.net_minor, 0) as bigint) as difference_minor,
    case
        when c.payout_id is null then 'no list of movements'
        when p.amount_minor = c.net_minor then 'none'
        when p.amount_minor <> c.net_minor then 'unexplained'
        else error('no such difference')
    end as difference,
    coalesce(c.transactions_count, 0) as transactions_count
from payouts as p
left join carried as c on p.payout_id = c.payout_id
where in_window(p.created_on, $from_date, $to_date, $as_of) and matches(p.currency, $currency)
order by p.created_on, p.payout_id
