-- Every document and movement of money as postings by role: debit positive, credit negative, each voucher adding up to 0. A voucher is one kind,
-- subject and day. What is deferred or accrued at a month's end is not here, because it depends on the day that is asked for.
-- grain: entry_on, kind, subject_id, currency, role
-- sources: revenue_items, payments, refunds, credit_notes, charges, customer_balance_transactions, balance_transactions, invoices
with documents as (
    select
        booked_on as entry_on,
        kind,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        'revenue_' || tax_treatment as role,
        -net_minor as amount_minor
    from revenue_items
    union all
    select
        booked_on as entry_on,
        kind,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        'vat' as role,
        -tax_minor as amount_minor
    from revenue_items
    union all
    select
        booked_on as entry_on,
        kind,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        'debtors' as role,
        net_minor + tax_minor as amount_minor
    from revenue_items
),

credited_balances as (
    select
        credit_note_id,
        sum(amount_minor) as amount_minor
    from customer_balance_transactions
    where type = 'credit_note'
    group by credit_note_id
),

paid_charges as (
    select
        coalesce(p.charge_id, c.charge_id) as charge_id,
        p.currency,
        sum(p.amount_minor) as amount_minor
    from payments as p
    left join charges as c on p.payment_intent_id = c.payment_intent_id and c.status = 'succeeded' and p.charge_id is null
    where p.status in ('paid', 'succeeded') and not p.is_outside_stripe
    group by coalesce(p.charge_id, c.charge_id), p.currency
),

-- A movement between two roles: from the one that is credited to the one that is debited.
movements as (
    select
        paid_on as entry_on,
        'payment' as kind,
        payment_id as subject_id,
        invoice_id,
        tenant_id,
        currency,
        case when is_outside_stripe then 'bank' else 'stripe' end as debited,
        'debtors' as credited,
        amount_minor
    from paid_payments
    union all
    select
        r.created_on as entry_on,
        'refund' as kind,
        r.refund_id as subject_id,
        coalesce(r.invoice_id, h.invoice_id) as invoice_id,
        coalesce(r.tenant_id, h.tenant_id, i.tenant_id) as tenant_id,
        r.currency,
        'refunds' as debited,
        'stripe' as credited,
        r.amount_minor
    from refunds as r
    left join charges as h on r.charge_id = h.charge_id
    left join invoices as i on coalesce(r.invoice_id, h.invoice_id) = i.invoice_id
    where r.status in ('succeeded', 'pending')
    union all
    select
        c.issued_on as entry_on,
        'credit_paid_outside' as kind,
        c.credit_note_id as subject_id,
        c.invoice_id,
        coalesce(c.tenant_id, i.tenant_id) as tenant_id,
        c.currency,
        'debtors' as debited,
        'bank' as credited,
        c.outside_stripe_minor as amount_minor
    from credit_notes as c
    left join invoices as i on c.invoice_id = i.invoice_id
    union all
    -- What a credit note gave back after payment and neither outside Stripe nor to the customer's balance was refunded.
    select
        c.issued_on as entry_on,
        'credit_refunded' as kind,
        c.credit_note_id as subject_id,
        c.invoice_id,
        coalesce(c.tenant_id, i.tenant_id) as tenant_id,
        c.currency,
        'debtors' as debited,
        'refunds' as credited,
        c.post_payment_minor - c.outside_stripe_minor + coalesce(b.amount_minor, 0) as amount_minor
    from credit_notes as c
    left join invoices as i on c.invoice_id = i.invoice_id
    left join credited_balances as b on c.credit_note_id = b.credit_note_id
    where c.status <> 'void'
    union all
    select
        created_on as entry_on,
        'customer_balance' as kind,
        customer_balance_transaction_id as subject_id,
        invoice_id,
        tenant_id,
        currency,
        'customer_credit' as debited,
        case when type in ('adjustment', 'initial', 'migration') then 'balance_adjustments' else 'debtors' end as credited,
        amount_minor
    from customer_balance_transactions
    union all
    select
        created_on as entry_on,
        'fee' as kind,
        balance_transaction_id as subject_id,
        null as invoice_id,
        null as tenant_id,
        currency,
        'fees' as debited,
        'stripe' as credited,
        fee_minor as amount_minor
    from balance_transactions
    union all
    -- Charges and refunds are booked from payments and refunds; what those do not explain of a charge is the movement after this one.
    select
        created_on as entry_on,
        case when type in ('payout', 'payout_cancel', 'payout_failure') then 'payout' else 'stripe_movement' end as kind,
        balance_transaction_id as subject_id,
        null as invoice_id,
        null as tenant_id,
        currency,
        'stripe' as debited,
        case
            when type in ('payout', 'payout_cancel', 'payout_failure') then 'bank'
            when reporting_category in ('dispute', 'dispute_reversal') then 'disputes'
            else 'stripe_other'
        end as credited,
        amount_minor
    from balance_transactions
    where type not in ('charge', 'payment', 'refund', 'payment_refund', 'refund_failure', 'payment_failure_refund')
    union all
    select
        b.created_on as entry_on,
        'charge_without_invoice' as kind,
        b.balance_transaction_id as subject_id,
        null as invoice_id,
        h.tenant_id,
        b.currency,
        'stripe' as debited,
        'unallocated' as credited,
        b.amount_minor - coalesce(p.amount_minor, 0) as amount_minor
    from balance_transactions as b
    inner join charges as h on b.source_id = h.charge_id
    left join paid_charges as p on h.charge_id = p.charge_id and b.currency = p.currency
    where b.type in ('charge', 'payment')
),

postings as (
    select *
    from documents
    union all
    select
        entry_on,
        kind,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        debited as role,
        amount_minor
    from movements
    union all
    select
        entry_on,
        kind,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        credited as role,
        -amount_minor as amount_minor
    from movements
),

-- Whatever an invoice adds to debtors from the day it is given up on is a loss, or less of one when money comes after all.
given_up as (
    select
        greatest(p.entry_on, i.uncollectible_on) as entry_on,
        p.invoice_id,
        any_value(p.tenant_id) as tenant_id,
        p.currency,
        sum(p.amount_minor) as amount_minor
    from postings as p
    inner join invoice_facts as i on p.invoice_id = i.invoice_id
    where p.role = 'debtors' and i.uncollectible_on is not null
    group by greatest(p.entry_on, i.uncollectible_on), p.invoice_id, p.currency
),

all_postings as (
    select *
    from postings
    union all
    select
        entry_on,
        'loss' as kind,
        invoice_id as subject_id,
        invoice_id,
        tenant_id,
        currency,
        'losses' as role,
        amount_minor
    from given_up
    union all
    select
        entry_on,
        'loss' as kind,
        invoice_id as subject_id,
        invoice_id,
        tenant_id,
        currency,
        'debtors' as role,
        -amount_minor as amount_minor
    from given_up
)

select
    entry_on,
    kind,
    subject_id,
    any_value(invoice_id) as invoice_id,
    any_value(tenant_id) as tenant_id,
    currency,
    role,
    sum_minor(amount_minor) as amount_minor
from all_postings
where entry_on is not null
group by entry_on, kind, subject_id, currency, role
having sum(amount_minor) <> 0
order by entry_on, kind, subject_id, role
