-- Everything that can be searched for: one row per subject and text under which it is found. `folded` is the text in lower case without accents, with
-- the Danish letters written out (å aa, æ ae, ø oe), as a search term is folded too.
-- grain: kind, subject_id, field
-- sources: tenants, tenant_details, customers, subscriptions, invoices, credit_notes, charges, payments, refunds, occupancies
with subjects as (
    select
        'tenant' as kind,
        tenant_id as subject_id,
        tenant_id,
        name as title,
        [
            struct_pack(field := 'name', value := name),
            struct_pack(field := 'id', value := tenant_id),
            struct_pack(field := 'email', value := email)
        ] as texts
    from tenants
    union all
    select
        'tenant' as kind,
        d.tenant_id as subject_id,
        d.tenant_id,
        t.name as title,
        [
            struct_pack(field := 'cvr_number', value := d.cvr_number),
            struct_pack(field := 'ean_number', value := d.ean_number),
            struct_pack(field := 'order_reference', value := d.order_reference)
        ] as texts
    from tenant_details as d
    left join tenants as t on d.tenant_id = t.tenant_id
    union all
    select
        'customer' as kind,
        customer_id as subject_id,
        tenant_id,
        coalesce(name, email, customer_id) as title,
        [
            struct_pack(field := 'name', value := name),
            struct_pack(field := 'id', value := customer_id),
            struct_pack(field := 'email', value := email)
        ] as texts
    from customers
    union all
    select
        'subscription' as kind,
        subscription_id as subject_id,
        tenant_id,
        subscription_id as title,
        [struct_pack(field := 'id', value := subscription_id)] as texts
    from subscriptions
    union all
    select
        'invoice' as kind,
        invoice_id as subject_id,
        tenant_id,
        coalesce(number, invoice_id) as title,
        [
            struct_pack(field := 'number', value := number),
            struct_pack(field := 'id', value := invoice_id)
        ] as texts
    from invoices
    union all
    select
        'credit_note' as kind,
        credit_note_id as subject_id,
        tenant_id,
        coalesce(number, credit_note_id) as title,
        [
            struct_pack(field := 'number', value := number),
            struct_pack(field := 'id', value := credit_note_id)
        ] as texts
    from credit_notes
    union all
    select
        'charge' as kind,
        charge_id as subject_id,
        tenant_id,
        charge_id as title,
        [
            struct_pack(field := 'id', value := charge_id),
            struct_pack(field := 'payment_intent_id', value := payment_intent_id)
        ] as texts
    from charges
    union all
    select
        'payment' as kind,
        payment_id as subject_id,
        tenant_id,
        coalesce(reference, payment_id) as title,
        [
            struct_pack(field := 'reference', value := reference),
            struct_pack(field := 'id', value := payment_id)
        ] as texts
    from payments
    union all
    select
        'refund' as kind,
        refund_id as subject_id,
        tenant_id,
        refund_id as title,
        [struct_pack(field := 'id', value := refund_id)] as texts
    from refunds
    union all
    select distinct
        'unit' as kind,
        tenant_id || ' ' || unit_id as subject_id,
        tenant_id,
        unit_id as title,
        [struct_pack(field := 'id', value := unit_id)] as texts
    from occupancies
    where deleted_at is null
),

entries as (
    select
        kind,
        subject_id,
        tenant_id,
        title,
        unnest(texts) as entry
    from subjects
)

select
    e.kind,
    e.subject_id,
    e.tenant_id,
    e.title,
    e.entry.field,
    e.entry.value,
    fold_text(e.entry.value) as folded
from entries as e
where trim(e.entry.value) <> ''
order by e.kind, e.subject_id, e.entry.field
