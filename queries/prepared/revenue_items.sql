-- What was sold, line by line, with the days it was for: each line of an invoice, of its voiding, of a credit note and of that one's voiding.
-- What an invoice or credit note says beyond its lines (all of it when it has none) is one more item, so that items add up to it exactly.
-- Service days are [service_from_on, service_to_on): a line without a period is for the day of its document, one without length for its day. An
-- invoice's line earns from its first service day, whenever it is invoiced; a voiding or a credit from the day it is booked, never earlier.
-- grain: kind, item_id
-- sources: invoices, invoice_lines, credit_notes, credit_note_lines, prices, tax_rates, customers, tenants, tenant_details, settings
with invoice_sums as (
    select
        invoice_id,
        sum(amount_minor - discount_minor) as amount_minor,
        sum(tax_minor) as tax_minor
    from invoice_lines
    group by invoice_id
),

issued as (
    select
        i.*,
        coalesce(s.amount_minor, 0) as lines_minor,
        coalesce(s.tax_minor, 0) as lines_tax_minor,
        -- With inclusive tax the amounts of the lines contain it.
        coalesce(i.tax_minor <> 0 and s.amount_minor = i.total_minor, false) as is_inclusive,
        upper(coalesce(i.customer_country, c.country, t.country)) as tax_country,
        coalesce(i.customer_tax_id, d.cvr_number) as tax_id
    from invoice_facts as i
    left join invoice_sums as s on i.invoice_id = s.invoice_id
    left join customers as c on i.customer_id = c.customer_id
    left join tenants as t on i.tenant_id = t.tenant_id
    left join tenant_details as d on i.tenant_id = d.tenant_id
    where i.finalized_on is not null
),

priced_lines as (
    select
        l.*,
        coalesce(p.role, case when l.usage_type = 'metered' then 'usage' end) as role,
        r.percentage,
        coalesce(l.period_end_on >= l.period_start_on, false) as has_period
    from invoice_lines as l
    left join prices as p on l.price_id = p.price_id
    left join tax_rates as r on l.tax_rate_id = r.tax_rate_id
),

invoice_parts as (
    select
        i.invoice_id,
        l.invoice_line_id as item_id,
        l.invoice_line_id,
        l.product_id,
        l.price_id,
        l.role,
        l.description,
        l.quantity,
        l.is_proration,
        case when l.has_period then l.period_start_on else i.finalized_on end as service_from_on,
        case when l.has_period then greatest(l.period_end_on, l.period_start_on + 1) else i.finalized_on + 1 end as service_to_on,
        l.amount_minor - l.discount_minor - case when i.is_inclusive then l.tax_minor else 0 end as net_minor,
        l.discount_minor,
        l.tax_minor,
        l.percentage,
        l.taxability_reason
    from priced_lines as l
    inner join issued as i on l.invoice_id = i.invoice_id
    union all
    select
        invoice_id,
        invoice_id || ':rest' as item_id,
        null as invoice_line_id,
        null as product_id,
        null as price_id,
        null as role,
        null as description,
        null as quantity,
        false as is_proration,
        finalized_on as service_from_on,
        finalized_on + 1 as service_to_on,
        net_minor - lines_minor + case when is_inclusive then lines_tax_minor else 0 end as net_minor,
        0 as discount_minor,
        tax_minor - lines_tax_minor as tax_minor,
        null as percentage,
        null as taxability_reason
    from issued
    where
        net_minor <> lines_minor - case when is_inclusive then lines_tax_minor else 0 end
        or tax_minor <> lines_tax_minor
),

credit_sums as (
    select
        credit_note_id,
        sum(amount_minor - discount_minor) as amount_minor,
        sum(tax_minor) as tax_minor
    from credit_note_lines
    group by credit_note_id
),

credited as (
    select
        c.*,
        c.total_minor - c.tax_minor as net_minor,
        coalesce(s.amount_minor, 0) as lines_minor,
        coalesce(s.tax_minor, 0) as lines_tax_minor,
        coalesce(c.tax_minor <> 0 and s.amount_minor = c.total_minor, false) as is_inclusive
    from credit_notes as c
    left join credit_sums as s on c.credit_note_id = s.credit_note_id
    where c.issued_on is not null
),

credit_parts as (
    select
        c.credit_note_id,
        n.credit_note_line_id as item_id,
        l.invoice_line_id,
        l.product_id,
        l.price_id,
        l.role,
        coalesce(n.description, l.description) as description,
        n.quantity,
        coalesce(l.is_proration, false) as is_proration,
        case when l.has_period then l.period_start_on else c.issued_on end as service_from_on,
        case when l.has_period then greatest(l.period_end_on, l.period_start_on + 1) else c.issued_on + 1 end as service_to_on,
        n.amount_minor - n.discount_minor - case when c.is_inclusive then n.tax_minor else 0 end as net_minor,
        n.discount_minor,
        n.tax_minor,
        l.percentage,
        l.taxability_reason
    from credit_note_lines as n
    inner join credited as c on n.credit_note_id = c.credit_note_id
    left join priced_lines as l on n.invoice_line_id = l.invoice_line_id
    union all
    select
        credit_note_id,
        credit_note_id || ':rest' as item_id,
        null as invoice_line_id,
        null as product_id,
        null as price_id,
        null as role,
        null as description,
        null as quantity,
        false as is_proration,
        issued_on as service_from_on,
        issued_on + 1 as service_to_on,
        net_minor - lines_minor + case when is_inclusive then lines_tax_minor else 0 end as net_minor,
        0 as discount_minor,
        tax_minor - lines_tax_minor as tax_minor,
        null as percentage,
        null as taxability_reason
    from credited
    where
        net_minor <> lines_minor - case when is_inclusive then lines_tax_minor else 0 end
        or tax_minor <> lines_tax_minor
),

documents as (
    select
        'invoice' as kind,
        invoice_id as subject_id,
        invoice_id,
        finalized_on as booked_on,
        1 as direction
    from issued
    union all
    select
        'invoice_voided' as kind,
        invoice_id as subject_id,
        invoice_id,
        void_on as booked_on,
        -1 as direction
    from issued
    where void_on is not null
    union all
    select
        'credit_note' as kind,
        credit_note_id as subject_id,
        invoice_id,
        issued_on as booked_on,
        -1 as direction
    from credited
    union all
    select
        'credit_note_voided' as kind,
        credit_note_id as subject_id,
        invoice_id,
        coalesce(voided_on, issued_on) as booked_on,
        1 as direction
    from credited
    where status = 'void'
),

parts as (
    select
        invoice_id as subject_id,
        true as is_invoice,
        * exclude (invoice_id)
    from invoice_parts
    union all
    select
        credit_note_id as subject_id,
        false as is_invoice,
        * exclude (credit_note_id)
    from credit_parts
),

rated as (
    select
        d.kind,
        p.item_id,
        d.subject_id,
        d.invoice_id,
        p.invoice_line_id,
        coalesce(c.customer_id, i.customer_id) as customer_id,
        coalesce(c.tenant_id, i.tenant_id) as tenant_id,
        coalesce(c.currency, i.currency) as currency,
        p.product_id,
        p.price_id,
        p.role,
        p.description,
        p.quantity,
        p.is_proration,
        d.booked_on,
        p.service_from_on,
        p.service_to_on,
        case when d.kind = 'invoice' then p.service_from_on else greatest(d.booked_on, p.service_from_on) end as starts_on,
        d.direction * p.net_minor as net_minor,
        d.direction * p.discount_minor as discount_minor,
        d.direction * p.tax_minor as tax_minor,
        case
            when
                p.percentage is not null
                and (p.tax_minor <> 0 or abs(p.net_minor) * p.percentage < 100)
                and coalesce(i.customer_tax_exempt, 'none') = 'none'
                and coalesce(p.taxability_reason, 'not_available') in ('not_available', 'standard_rated', 'reduced_rated')
                then p.percentage
            else tax_rate_of(p.net_minor, p.tax_minor)
        end as tax_percent,
        coalesce(i.tax_country, upper(m.country), upper(t.country)) as tax_country,
        i.tax_id
    from documents as d
    inner join parts as p on d.subject_id = p.subject_id and (d.kind in ('invoice', 'invoice_voided')) = p.is_invoice
    left join issued as i on d.invoice_id = i.invoice_id
    left join credited as c on d.subject_id = c.credit_note_id
    left join customers as m on c.customer_id = m.customer_id
    left join tenants as t on c.tenant_id = t.tenant_id
)

select
    * exclude (net_minor, discount_minor, tax_minor, tax_country, tax_id),
    cast(net_minor as bigint) as net_minor,
    cast(discount_minor as bigint) as discount_minor,
    cast(tax_minor as bigint) as tax_minor,
    case
        when tax_percent <> 0 then 'domestic'
        when tax_country is null or tax_country = seller_country() then 'domestic_exempt'
        when is_eu(tax_country) then 'eu_reverse_charge'
        else 'export'
    end as tax_treatment,
    tax_country,
    tax_id
from rated
order by booked_on, kind, item_id
