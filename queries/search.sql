-- title: Search
-- purpose: Tenants, customers, subscriptions, invoices, credit notes, charges, payments, refunds and units by name, e-mail, id, invoice number, CVR
--   or EAN number, order reference or bank reference. Capitals and accents do not matter, and å is aa, æ ae, ø oe. All words have to be in one text;
--   what equals the search comes first, then what begins with it, then what has a word that does, then the rest; tenants before documents. At
--   most fifty. A text without any letter or digit finds nothing.
-- grain: kind, subject_id
-- params: tenant_id, text=
-- sources: search_entries, tenants, invoices
-- permission: reports.read
-- columns:
--   kind | varchar | text | tenant, customer, subscription, invoice, credit_note, charge, payment, refund or unit.
--   subject_id | varchar | id | Its id; for a unit the tenant's id and its own.
--   title | varchar | text | What it is called: name, number or id.
--   field | varchar | text | Where the text was found: name, id, email, number, reference and so on.
--   found | varchar | text | The text it was found in.
--   tenant_id | varchar | id | The tenant it belongs to, if any.
--   tenant_name | varchar | text | Its name.
--   invoice_id | varchar | id | The invoice to open, for what belongs to one.
--   place | bigint | count | 1 is the best.
with asked as (
    select
        fold_text(trim($text)) as term,
        list_filter(string_split(fold_text(trim($text)), ' '), lambda word: word <> '') as words
),

matching as (
    select
        e.*,
        case
            when e.folded = a.term then 0
            when starts_with(e.folded, a.term) then 1
            when contains(' ' || e.folded, ' ' || a.term) then 2
            when contains(e.folded, a.term) then 3
            else 4
        end as distance,
        list_position(
            ['tenant', 'customer', 'invoice', 'subscription', 'credit_note', 'payment', 'charge', 'refund', 'unit'], e.kind
        ) as kind_place,
        list_position(['name', 'number', 'id'], e.field) as field_place
    from search_entries as e
    cross join asked as a
    where
        regexp_matches(a.term, '[\pL\pN]')
        and contains(e.folded, a.words[1])
        and len(list_filter(a.words, lambda word: not contains(e.folded, word))) = 0
        and matches(e.tenant_id, $tenant_id)
),

best as (
    select *
    from matching
    qualify row_number() over (partition by kind, subject_id order by distance, field_place nulls last, field) = 1
),

placed as (
    select
        *,
        row_number() over (order by distance, kind_place, length(value), title, subject_id) as place
    from best
)

select
    p.kind,
    p.subject_id,
    p.title,
    p.field,
    p.value as found,
    p.tenant_id,
    t.name as tenant_name,
    case p.kind
        when 'invoice' then p.subject_id
        when 'credit_note' then (select n.invoice_id from credit_notes as n where n.credit_note_id = p.subject_id)
        when 'charge' then (select h.invoice_id from charges as h where h.charge_id = p.subject_id)
        when 'payment' then (select y.invoice_id from payments as y where y.payment_id = p.subject_id)
        when 'refund' then (select r.invoice_id from refunds as r where r.refund_id = p.subject_id)
    end as invoice_id,
    p.place
from placed as p
left join tenants as t on p.tenant_id = t.tenant_id
where p.place <= 50
order by p.place
