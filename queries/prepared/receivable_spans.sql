-- What is open on an invoice, as spans of days [from_on, to_on) with one amount each; zero amounts are left out.
-- Open = billed − payments − pre-payment credit notes, each from its day on, until the invoice is void, written off or settled.
-- grain: invoice_id, from_on
-- sources: invoices, payments, credit_notes
with facts as (
    select
        *,
        least(void_on, uncollectible_on, settled_on) as closed_on
    from invoice_facts
    where finalized_on is not null
),

movements as (
    select
        invoice_id,
        finalized_on as moved_on,
        billed_minor as amount_minor
    from facts
    union all
    select
        f.invoice_id,
        greatest(p.paid_on, f.finalized_on) as moved_on,
        -p.amount_minor as amount_minor
    from paid_payments as p
    inner join facts as f on p.invoice_id = f.invoice_id
    union all
    select
        f.invoice_id,
        greatest(c.issued_on, f.finalized_on) as moved_on,
        -c.pre_payment_minor as amount_minor
    from credit_notes as c
    inner join facts as f on c.invoice_id = f.invoice_id
    union all
    select
        f.invoice_id,
        greatest(c.voided_on, f.finalized_on) as moved_on,
        c.pre_payment_minor as amount_minor
    from credit_notes as c
    inner join facts as f on c.invoice_id = f.invoice_id
    where c.status = 'void' and c.voided_on is not null
),

by_day as (
    select
        m.invoice_id,
        m.moved_on,
        sum(m.amount_minor) as change_minor,
        false as is_close
    from movements as m
    inner join facts as f on m.invoice_id = f.invoice_id
    where f.closed_on is null or m.moved_on < f.closed_on
    group by m.invoice_id, m.moved_on
    union all
    select
        invoice_id,
        closed_on as moved_on,
        0 as change_minor,
        true as is_close
    from facts
    where closed_on is not null
),

running as (
    select
        invoice_id,
        moved_on as from_on,
        lead(moved_on) over w as to_on,
        case when is_close then 0 else sum(change_minor) over w end as open_minor
    from by_day
    window w as (partition by invoice_id order by moved_on)
)

select
    r.invoice_id,
    f.tenant_id,
    f.customer_id,
    f.currency,
    f.finalized_on,
    f.due_from_on,
    f.is_due_stated,
    r.from_on,
    r.to_on,
    cast(r.open_minor as bigint) as open_minor
from running as r
inner join facts as f on r.invoice_id = f.invoice_id
where r.open_minor <> 0
order by r.from_on, r.invoice_id
