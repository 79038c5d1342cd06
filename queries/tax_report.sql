-- title: Moms and EU sales
-- purpose: What was sold and the tax on it per month, by how it is taxed and at which rate, without what is not invoiced. Invoices count on the day
--   they are finalized, voidings and credit notes negative on theirs; earlier months do not change. Domestic is what carries tax: its tax is the
--   moms on sales. Sales to other EU countries without tax are listed by the customer's VAT number, for the EU sales list (box B, services);
--   exports are sales outside the EU, domestic exempt is what was sold at home without tax (box C both). The rate is that of the line's tax rate,
--   or what the tax is of its base when the line names none. Country and VAT number are those of the invoice when it was finalized, else the
--   customer's. Losses on invoices that are written off are not in here.
-- grain: month, currency, tax_treatment, tax_percent, country, tax_id
-- params: from_date, to_date, as_of, tenant_id, currency
-- sources: revenue_items
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month, in the reporting time zone.
--   tax_treatment | varchar | text | domestic, domestic_exempt, eu_reverse_charge or export.
--   tax_percent | decimal(9,4) | quantity | The rate in percent.
--   country | varchar | text | Country of the customer, for sales abroad.
--   tax_id | varchar | id | The customer's VAT number, for sales to other EU countries; empty when it has none.
--   currency | varchar | text | ISO code, lower case.
--   base_minor | bigint | minor units | Sold, without tax.
--   tax_minor | bigint | minor units | Tax on it.
--   documents_count | bigint | count | Invoices, voidings and credit notes.
with items as (
    select
        month_of(booked_on) as month,
        tax_treatment,
        tax_percent,
        case when tax_treatment in ('eu_reverse_charge', 'export') then tax_country end as country,
        case when tax_treatment = 'eu_reverse_charge' then tax_id end as tax_id,
        currency,
        kind,
        subject_id,
        net_minor,
        tax_minor
    from revenue_items
    where
        in_window(booked_on, $from_date, $to_date, $as_of)
        and matches(tenant_id, $tenant_id)
        and matches(currency, $currency)
)

select
    month,
    tax_treatment,
    tax_percent,
    country,
    tax_id,
    currency,
    sum_minor(net_minor) as base_minor,
    sum_minor(tax_minor) as tax_minor,
    count(distinct kind || ':' || subject_id) as documents_count
from items
group by month, tax_treatment, tax_percent, country, tax_id, currency
order by month, currency, tax_treatment, tax_percent, country nulls last, tax_id nulls last
