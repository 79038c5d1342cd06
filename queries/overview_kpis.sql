-- title: Key figures
-- purpose: The last thirteen months, one row per month and currency. Invoiced, credited, collected and refunded are sums over the month by the
--   rules of "Revenue per month". Open and past due are taken at the end of the month (for the running month: today or the as-of day):
--   open is what remains to be paid on invoices that are neither void nor written off, past due the part whose due day lies before that day;
--   an invoice without a due date is due when it is finalized. Units and tenants with units are counted over all tenants, whatever their
--   currency, on that same day, so they are the same in every row of a month.
-- grain: month, currency
-- params: as_of, today, tenant_id, currency
-- sources: revenue_entries, receivable_spans, unit_spans, tenants
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month.
--   measured_on | date | date | The day on which open, past due and units are taken.
--   currency | varchar | text | ISO code, lower case.
--   invoiced_minor | bigint | minor units | Finalized less voided in the month, without tax.
--   credited_minor | bigint | minor units | Credit notes of the month, without tax.
--   net_minor | bigint | minor units | Invoiced less credited.
--   collected_minor | bigint | minor units | Payments of the month, with tax.
--   refunded_minor | bigint | minor units | Refunds of the month, with tax.
--   open_minor | bigint | minor units | Open on that day, with tax.
--   past_due_minor | bigint | minor units | Of it past due.
--   units_count | bigint | units | Distinct units occupied on that day, all tenants.
--   tenants_with_units_count | bigint | count | Tenants with at least one unit on that day.
with clock as (
    select coalesce(cast($as_of as date), $today) as last_on
),

months as (
    select
        cast(m.month as date) as month,
        least(month_end(cast(m.month as date)), c.last_on) as measured_on
    from clock as c,
        lateral (
            select unnest(generate_series(month_of(c.last_on) - interval 12 month, month_of(c.last_on), interval 1 month)) as month
        ) as m
),

currencies as (
    select distinct currency from revenue_entries
    union
    select distinct currency from tenants where currency is not null
),

flows as (
    select
        month_of(entry_on) as month,
        currency,
        sum_minor(invoiced_minor) as invoiced_minor,
        sum_minor(credited_minor) as credited_minor,
        sum_minor(collected_minor) as collected_minor,
        sum_minor(refunded_minor) as refunded_minor
    from revenue_entries
    where
        matches(tenant_id, $tenant_id)
        and in_window(entry_on, (select min(month) from months), null, (select last_on from clock))
    group by month_of(entry_on), currency
),

receivables as (
    select
        m.month,
        s.currency,
        sum_minor(s.open_minor) as open_minor,
        sum_minor(case when s.due_from_on < m.measured_on then s.open_minor else 0 end) as past_due_minor
    from months as m
    inner join receivable_spans as s
        on s.from_on <= m.measured_on and (s.to_on is null or s.to_on > m.measured_on)
    where matches(s.tenant_id, $tenant_id)
    group by m.month, s.currency
),

units as (
    select
        m.month,
        cast(sum(s.units_count) as bigint) as units_count,
        count(*) filter (where s.units_count > 0) as tenants_count
    from months as m
    inner join unit_spans as s
        on s.from_on <= m.measured_on and (s.to_on is null or s.to_on > m.measured_on)
    where matches(s.tenant_id, $tenant_id)
    group by m.month
)

select
    m.month,
    m.measured_on,
    c.currency,
    coalesce(f.invoiced_minor, 0) as invoiced_minor,
    coalesce(f.credited_minor, 0) as credited_minor,
    coalesce(f.invoiced_minor - f.credited_minor, 0) as net_minor,
    coalesce(f.collected_minor, 0) as collected_minor,
    coalesce(f.refunded_minor, 0) as refunded_minor,
    coalesce(r.open_minor, 0) as open_minor,
    coalesce(r.past_due_minor, 0) as past_due_minor,
    coalesce(u.units_count, 0) as units_count,
    coalesce(u.tenants_count, 0) as tenants_with_units_count
from months as m
cross join currencies as c
left join flows as f on m.month = f.month and c.currency = f.currency
left join receivables as r on m.month = r.month and c.currency = r.currency
left join units as u on m.month = u.month
where matches(c.currency, $currency)
order by m.month, c.currency
