-- Every dated fact that revenue is made of, one row per invoice issued or voided, credit note issued or voided, payment and refund.
-- Each row carries what it adds to each figure, so that any figure is a sum over rows and can be taken apart again.
-- grain: kind, subject_id
-- sources: invoices, payments, refunds, credit_notes, charges
with entries as (
    select
        'invoice' as kind,
        invoice_id as subject_id,
        invoice_id,
        customer_id,
        tenant_id,
        currency,
        finalized_on as entry_on,
        net_minor as invoiced_minor,
        0 as credited_minor,
        0 as collected_minor,
        0 as refunded_minor,
        tax_minor,
        number as detail
    from invoice_facts
    where finalized_on is not null
    union all
    select
        'invoice_voided' as kind,
        invoice_id as subject_id,
        invoice_id,
        customer_id,
        tenant_id,
        currency,
        void_on as entry_on,
        -net_minor as invoiced_minor,
        0 as credited_minor,
        0 as collected_minor,
        0 as refunded_minor,
        -tax_minor as tax_minor,
        number as detail
    from invoice_facts
    where void_on is not null
    union all
    select
        'credit_note' as kind,
        c.credit_note_id as subject_id,
        c.invoice_id,
        coalesce(c.customer_id, i.customer_id) as customer_id,
        coalesce(c.tenant_id, i.tenant_id) as tenant_id,
        c.currency,
        c.issued_on as entry_on,
        0 as invoiced_minor,
        c.total_minor - c.tax_minor as credited_minor,
        0 as collected_minor,
        0 as refunded_minor,
        0 as tax_minor,
        coalesce(c.number, c.reason) as detail
    from credit_notes as c
    left join invoices as i on c.invoice_id = i.invoice_id
    union all
    select
        'credit_note_voided' as kind,
        c.credit_note_id as subject_id,
        c.invoice_id,
        coalesce(c.customer_id, i.customer_id) as customer_id,
        coalesce(c.tenant_id, i.tenant_id) as tenant_id,
        c.currency,
        coalesce(c.voided_on, c.issued_on) as entry_on,
        0 as invoiced_minor,
        c.tax_minor - c.total_minor as credited_minor,
        0 as collected_minor,
        0 as refunded_minor,
        0 as tax_minor,
        coalesce(c.number, c.reason) as detail
    from credit_notes as c
    left join invoices as i on c.invoice_id = i.invoice_id
    where c.status = 'void'
    union all
    select
        'payment' as kind,
        payment_id as subject_id,
        invoice_id,
        customer_id,
        tenant_id,
        currency,
        paid_on as entry_on,
        0 as invoiced_minor,
        0 as credited_minor,
        amount_minor as collected_minor,
        0 as refunded_minor,
        0 as tax_minor,
        case when is_outside_stripe then coalesce(reference, 'outside Stripe') end as detail
    from paid_payments
    union all
    select
        'refund' as kind,
        r.refund_id as subject_id,
        coalesce(r.invoice_id, h.invoice_id) as invoice_id,
        coalesce(r.customer_id, h.customer_id, i.customer_id) as customer_id,
        coalesce(r.tenant_id, h.tenant_id, i.tenant_id) as tenant_id,
        r.currency,
        r.created_on as entry_on,
        0 as invoiced_minor,
        0 as credited_minor,
        0 as collected_minor,
        r.amount_minor as refunded_minor,
        0 as tax_minor,
        r.reason as detail
    from refunds as r
    left join charges as h on r.charge_id = h.charge_id
    left join invoices as i on coalesce(r.invoice_id, h.invoice_id) = i.invoice_id
    where r.status in ('succeeded', 'pending')
)

select *
from entries
where entry_on is not null
order by entry_on, kind, subject_id
