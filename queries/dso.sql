-- title: Days sales outstanding
-- purpose: How many days of invoicing are still open at each month's end (the running month: today or the as-of day), open and invoiced both
--   with tax. DSO is open ÷ what was invoiced in the 90 days up to that day × 90. Countback takes open apart backwards: the days of the month
--   count in full while open exceeds what the month invoiced, then in proportion. Invoiced is finalized less voided, each in its own month. Both
--   are empty when nothing was invoiced to compare with.
-- grain: month, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: invoices, receivable_spans
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month.
--   currency | varchar | text | ISO code, lower case.
--   dso_days | decimal(18,6) | days | Open ÷ invoiced of the last 90 days × 90.
--   countback_days | decimal(18,6) | days | Counted back month by month.
--   open_minor | bigint | minor units | Open at the end of the month.
--   invoiced_90_minor | bigint | minor units | Invoiced in the 90 days before.
with clock as (
    select coalesce(cast($as_of as date), $today) as on_day
),

entries as (
    select
        e.currency,
        e.entry_on,
        e.invoiced_minor + e.tax_minor as billed_minor
    from revenue_entries as e
    inner join clock as c on e.entry_on <= c.on_day
    where e.kind in ('invoice', 'invoice_voided') and matches(e.tenant_id, $tenant_id) and matches(e.currency, $currency)
),

firsts as (
    select
        currency,
        month_of(min(entry_on)) as first_month
    from entries
    group by currency
),

spans as (
    select
        f.currency,
        unnest(generate_series(f.first_month, c.on_day, interval 1 month))::date as month
    from firsts as f
    cross join clock as c
),

months as (
    select
        s.currency,
        s.month,
        least(month_end(s.month), c.on_day) as measured_on,
        least(month_end(s.month), c.on_day) - s.month + 1 as days_count
    from spans as s
    cross join clock as c
),

billed as (
    select
        m.currency,
        m.month,
        m.measured_on,
        m.days_count,
        sum_minor(e.billed_minor) as billed_minor
    from months as m
    left join entries as e on m.currency = e.currency and m.month = month_of(e.entry_on)
    group by m.currency, m.month, m.measured_on, m.days_count
),

open_at as (
    select
        m.currency,
        m.month,
        sum_minor(s.open_minor) as open_minor
    from months as m
    inner join receivable_spans as s
        on m.currency = s.currency and s.from_on <= m.measured_on and (s.to_on is null or s.to_on > m.measured_on)
    where matches(s.tenant_id, $tenant_id)
    group by m.currency, m.month
),

window_90 as (
    select
        m.currency,
        m.month,
        sum_minor(e.billed_minor) as billed_minor
    from months as m
    inner join entries as e
        on m.currency = e.currency and e.entry_on <= m.measured_on and e.entry_on > m.measured_on - 90
    group by m.currency, m.month
),

backwards as (
    select
        m.currency,
        m.month,
        coalesce(o.open_minor, 0) as open_minor,
        b.days_count,
        b.billed_minor,
        coalesce(o.open_minor, 0) - coalesce(
            sum(b.billed_minor) over (
                partition by m.currency, m.month order by b.month desc rows between unbounded preceding and 1 preceding
            ),
            0
        ) as left_minor
    from months as m
    inner join billed as b on m.currency = b.currency and m.month >= b.month
    left join open_at as o on m.currency = o.currency and m.month = o.month
),

counted as (
    select
        currency,
        month,
        any_value(open_minor) as open_minor,
        sum(case
            when left_minor <= 0 then 0
            when left_minor >= billed_minor then days_count
            else ratio(left_minor * days_count, billed_minor)
        end) as countback_days,
        sum(billed_minor) as billed_minor
    from backwards
    group by currency, month
)

select
    c.month,
    c.currency,
    case when w.billed_minor > 0 then ratio(c.open_minor * 90, w.billed_minor) end as dso_days,
    case when c.billed_minor > 0 then c.countback_days::decimal(18, 6) end as countback_days,
    c.open_minor,
    coalesce(w.billed_minor, 0) as invoiced_90_minor
from counted as c
left join window_90 as w on c.currency = w.currency and c.month = w.month
where in_window(c.month, month_of(cast($from_date as date)), $to_date, null)
order by c.month, c.currency
