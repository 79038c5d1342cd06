-- title: Documents behind moms and EU sales
-- purpose: Each invoice, voiding and credit note by how it is taxed. The rows of a month, currency, treatment, rate, country and VAT number add up to
--   "Moms and EU sales".
-- grain: kind, subject_id, tax_treatment, tax_percent
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: revenue_items, tenants, invoices, credit_notes
-- permission: reports.read
-- columns:
--   booked_on | date | date | The day the document counts on.
--   month | date | month | First day of its month.
--   kind | varchar | text | invoice, invoice_voided, credit_note or credit_note_voided.
--   subject_id | varchar | id | The invoice or credit note.
--   number | varchar | text | Its number.
--   invoice_id | varchar | id | The invoice concerned.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   tax_treatment | varchar | text | domestic, domestic_exempt, eu_reverse_charge or export.
--   tax_percent | decimal(9,4) | quantity | The rate in percent.
--   country | varchar | text | Country of the customer, for sales abroad.
--   tax_id | varchar | id | The customer's VAT number, for sales to other EU countries.
--   currency | varchar | text | ISO code, lower case.
--   base_minor | bigint | minor units | Sold, without tax; negative for credits and voidings.
--   tax_minor | bigint | minor units | Tax on it.
select
    r.booked_on,
    month_of(r.booked_on) as month,
    r.kind,
    r.subject_id,
    any_value(case when r.kind in ('invoice', 'invoice_voided') then i.number else c.number end) as number,
    any_value(r.invoice_id) as invoice_id,
    any_value(r.tenant_id) as tenant_id,
    any_value(t.name) as tenant_name,
    r.tax_treatment,
    r.tax_percent,
    any_value(case when r.tax_treatment in ('eu_reverse_charge', 'export') then r.tax_country end) as country,
    any_value(case when r.tax_treatment = 'eu_reverse_charge' then r.tax_id end) as tax_id,
    r.currency,
    sum_minor(r.net_minor) as base_minor,
    sum_minor(r.tax_minor) as tax_minor
from revenue_items as r
left join tenants as t on r.tenant_id = t.tenant_id
left join invoices as i on r.invoice_id = i.invoice_id
left join credit_notes as c on r.subject_id = c.credit_note_id
where
    in_window(r.booked_on, $from_date, $to_date, $as_of)
    and matches(r.tenant_id, $tenant_id)
    and matches(r.currency, $currency)
group by r.booked_on, r.kind, r.subject_id, r.tax_treatment, r.tax_percent, r.currency
order by r.booked_on, r.kind, r.subject_id, r.tax_treatment, r.tax_percent
