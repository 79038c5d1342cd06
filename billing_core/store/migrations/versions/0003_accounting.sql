-- Accounting of revision 0003: the tax side of invoices and their lines as typed columns, and the table `settings` followed like the others,
-- so that the accounts and VAT codes that somebody sets reach the reports.

alter table billing.invoices add column customer_country text, add column customer_tax_exempt text, add column customer_tax_id text;
alter table billing.invoice_lines add column tax_rate_id text, add column taxability_reason text;

-- The values were known all along, in `raw`: filling them in is no change, so neither `recorded_at` nor the history moves. New columns make
-- the warehouse read everything again by themselves.
alter table billing.invoices disable trigger touch;
alter table billing.invoice_lines disable trigger touch;

update billing.invoices set
    customer_country = raw #>> '{customer_address,country}',
    customer_tax_exempt = raw ->> 'customer_tax_exempt',
    customer_tax_id = (
        select tax_id ->> 'value'
        from jsonb_array_elements(raw -> 'customer_tax_ids') with ordinality as given (tax_id, position)
        order by tax_id ->> 'type' <> 'eu_vat', position
        limit 1
    )
where jsonb_typeof(raw -> 'customer_tax_ids') = 'array';

update billing.invoices set
    customer_country = raw #>> '{customer_address,country}',
    customer_tax_exempt = raw ->> 'customer_tax_exempt'
where raw is not null and jsonb_typeof(raw -> 'customer_tax_ids') is distinct from 'array';

update billing.invoice_lines set
    tax_rate_id = raw #>> '{taxes,0,tax_rate_details,tax_rate}',
    taxability_reason = raw #>> '{taxes,0,taxability_reason}'
where jsonb_typeof(raw -> 'taxes') = 'array' and jsonb_array_length(raw -> 'taxes') = 1;

alter table billing.invoices enable trigger touch;
alter table billing.invoice_lines enable trigger touch;

alter table billing.settings
add column chg xid8 default pg_current_xact_id() not null,
add column recorded_at timestamptz default now() not null;
create index ix_settings_chg on billing.settings (chg);
select billing.track('settings');
