-- Definitions that several reports share. They are created in every published file, beside the tables.
-- Money is divided here and nowhere else: whole minor units, halves away from zero.

-- The date of an instant in the reporting time zone.
create or replace macro local_date(instant) as
    cast(timezone((select reporting_timezone from warehouse_info), instant) as date);

-- The first day of a date's month.
create or replace macro month_of(day) as cast(date_trunc('month', day) as date);

-- The last day of a date's month.
create or replace macro month_end(day) as last_day(day);

-- From is included, to is not, as of is the end of that day; a null bounds nothing.
create or replace macro in_window(day, from_date, to_date, as_of) as (
    (from_date is null or day >= from_date) and (to_date is null or day < to_date) and (as_of is null or day <= as_of)
);

-- A filter that a null switches off.
create or replace macro matches(value, wanted) as (wanted is null or value = wanted);

-- An amount divided by a positive whole number, to the nearest whole, halves away from zero.
create or replace macro divide_minor(amount, divisor) as
    cast(
        sign(amount) * ((2 * abs(cast(amount as hugeint)) + cast(divisor as hugeint)) // (2 * cast(divisor as hugeint))) as bigint
    );

-- A ratio of two whole numbers with six decimals, exact until it is rounded; null when there is nothing to divide by.
create or replace macro ratio(part, whole) as
    case
        when whole = 0 then null
        else cast(divide_minor(cast(part as hugeint) * 1000000 * sign(whole), abs(whole)) * 0.000001::decimal(7, 6) as decimal(18, 6))
    end;

-- A text as it is searched: lower case, no accents, Danish letters written out, single spaces.
create or replace macro fold_text(value) as
    strip_accents(
        replace(
            replace(replace(lower(nfc_normalize(regexp_replace(value, '\s+', ' ', 'g'))), 'å', 'aa'), 'æ', 'ae'), 'ø', 'oe'
        )
    );

-- A sum of minor units as the 64-bit number that it is.
create or replace macro sum_minor(amount) as cast(coalesce(sum(amount), 0) as bigint);

-- Invoices with the dates on which they change state. A source without the date of a void or a write-off (a CSV) is taken to mean that the
-- invoice never was a receivable. Drafts have no finalized date. Without a due date an invoice is due when it is finalized.
create or replace view invoice_facts as
with dated as (
    select
        *,
        case when status <> 'draft' then coalesce(finalized_on, local_date(created_at)) end as issued_on
    from invoices
)

select
    * exclude (finalized_on),
    issued_on as finalized_on,
    total_minor - tax_minor as net_minor,
    case when status = 'void' then coalesce(voided_on, issued_on) end as void_on,
    case
        when status = 'uncollectible' then coalesce(marked_uncollectible_on, issued_on)
        else marked_uncollectible_on
    end as uncollectible_on,
    case when status = 'paid' then coalesce(paid_on, issued_on) end as settled_on,
    coalesce(due_on, issued_on) as due_from_on,
    due_on is not null as is_due_stated,
    local_date(created_at) as created_on,
    -- What was due before payments and credit notes: Stripe lowers amount_due by the latter.
    greatest(amount_due_minor, amount_remaining_minor + amount_paid_minor + pre_payment_credit_minor) as billed_minor
from dated;

-- Money that arrived, in or outside Stripe.
create or replace view paid_payments as
select
    p.payment_id,
    p.invoice_id,
    p.charge_id,
    p.currency,
    p.amount_minor,
    p.is_outside_stripe,
    p.reference,
    coalesce(p.customer_id, i.customer_id) as customer_id,
    coalesce(p.tenant_id, i.tenant_id) as tenant_id,
    coalesce(p.paid_on, local_date(p.created_at), i.paid_on, i.finalized_on) as paid_on
from payments as p
left join invoices as i on p.invoice_id = i.invoice_id
where p.status in ('paid', 'succeeded');

-- Subscriptions that run at an instant, whatever their state of payment.
create or replace macro running_subscriptions(instant) as table
select
    subscription_id,
    tenant_id,
    customer_id,
    currency,
    status
from subscriptions
where
    status in ('active', 'past_due', 'trialing', 'unpaid', 'paused')
    and (ended_at is null or ended_at > instant)
    and (started_at is null or started_at <= instant);

-- What one billing period's amount is in a month, as numerator ÷ denominator: year ÷ 12, week × 52 ÷ 12, day × 365 ÷ 12, each ÷ the interval count.
create or replace macro per_month_numerator(period) as
    case period
        when 'month' then 1
        when 'year' then 1
        when 'week' then 52
        when 'day' then 365
        else error('unknown interval')
    end;

create or replace macro per_month_denominator(period, period_count) as
    case period
        when 'month' then period_count
        when 'year' then 12 * period_count
        when 'week' then 12 * period_count
        when 'day' then 12 * period_count
        else error('unknown interval')
    end;

-- The smallest number that all of a list divide.
create or replace macro common_multiple(divisors) as list_reduce(divisors, lambda a, b: lcm(a, b));

-- What of an amount is earned by the end of a day: the days [from_on, to_on) earn the same each, rounded as a running total, so that every prefix is
-- right to half a minor unit and the last day completes the amount. Nothing before starts_on, where all that is behind is caught up at once.
create or replace macro earned_minor(amount, from_on, to_on, starts_on, day) as
    case
        when day < starts_on then 0
        when day >= to_on - 1 then amount
        else divide_minor(cast(amount as hugeint) * (day - from_on + 1), to_on - from_on)
    end;

-- The rate that an amount of tax is of its base, in percent: a whole number when that explains the tax to the nearest minor unit, else with two decimals.
-- The optimizer may divide before it looks at the conditions, so 0 becomes null on the way.
create or replace macro tax_rate_of(base, tax) as
    case
        when tax = 0 or base = 0 then cast(0 as decimal(9, 4))
        when
            abs(divide_minor(cast(base as hugeint) * divide_minor(cast(tax as hugeint) * 100 * sign(base), nullif(abs(base), 0)), 100) - tax) <= 1
            then cast(divide_minor(cast(tax as hugeint) * 100 * sign(base), nullif(abs(base), 0)) as decimal(9, 4))
        else cast(divide_minor(cast(tax as hugeint) * 10000 * sign(base), nullif(abs(base), 0)) * 0.01::decimal(3, 2) as decimal(9, 4))
    end;

create or replace macro is_eu(country) as
    country in (
        'AT', 'BE', 'BG', 'CY', 'CZ', 'DE', 'DK', 'EE', 'ES', 'FI', 'FR', 'GR', 'HR', 'HU', 'IE', 'IT', 'LT', 'LU', 'LV', 'MT', 'NL', 'PL', 'PT',
        'RO', 'SE', 'SI', 'SK'
    );

-- The country the company sells from: `country` of the setting `accounts`, Denmark unless told.
create or replace macro seller_country() as coalesce((select value ->> '$.country' from settings where key = 'accounts'), 'DK');

-- The accounts of the journal by role. The setting `accounts` overrides number, name or VAT code of any: {"debtors": {"account": "5600"}}.
create or replace view accounts as
with defaults (role, account, account_name, vat_code) as (
    values
    ('revenue_domestic', '1010', 'Sales, domestic', 'U25'),
    ('revenue_domestic_exempt', '1020', 'Sales, domestic without VAT', 'U0'),
    ('revenue_eu_reverse_charge', '1030', 'Sales of services, EU', 'UEU'),
    ('revenue_export', '1040', 'Sales of services, outside the EU', 'UEXP'),
    ('losses', '3910', 'Losses on debtors', null),
    ('disputes', '3920', 'Disputed payments', null),
    ('balance_adjustments', '3930', 'Credits granted to customers', null),
    ('fees', '3940', 'Payment fees', 'IEU'),
    ('stripe_other', '3990', 'Other Stripe movements', null),
    ('debtors', '5600', 'Debtors', null),
    ('refunds', '5620', 'Refunds without a credit note', null),
    ('accrued', '5650', 'Accrued revenue', null),
    ('stripe', '5810', 'Stripe balance', null),
    ('bank', '5820', 'Bank', null),
    ('customer_credit', '6610', 'Credit balances of customers', null),
    ('unallocated', '6620', 'Payments without an invoice', null),
    ('deferred', '6650', 'Deferred revenue', null),
    ('vat', '6902', 'VAT on sales', null)
)

select
    d.role,
    coalesce(g.value ->> ('$.' || d.role || '.account'), d.account) as account,
    coalesce(g.value ->> ('$.' || d.role || '.name'), d.account_name) as account_name,
    coalesce(g.value ->> ('$.' || d.role || '.vat_code'), d.vat_code) as vat_code
from defaults as d
left join settings as g on g.key = 'accounts';

-- Finalized invoices with their number taken apart: the last digits and what stands before them.
create or replace view invoice_sequence as
select
    invoice_id,
    number,
    tenant_id,
    finalized_on,
    case when regexp_matches(number, '\d{1,18}$') then regexp_replace(number, '\d{1,18}$', '') end as prefix,
    try_cast(nullif(regexp_extract(number, '\d{1,18}$'), '') as bigint) as sequence_number
from invoice_facts
where finalized_on is not null;

-- Each invoice finalized by the as-of day (today unless told) and not void then, with what had been paid for it within so many days of its
-- finalization: the rows behind the collection ratios.
create or replace macro collected_invoices(from_date, to_date, as_of, today, wanted_tenant, wanted_currency) as table
with clock as (
    select coalesce(cast(as_of as date), cast(today as date)) as on_day
),

issued as (
    select
        i.invoice_id,
        i.number,
        i.tenant_id,
        i.customer_id,
        i.currency,
        i.finalized_on,
        month_of(i.finalized_on) as cohort_month,
        i.total_minor,
        c.on_day
    from invoice_facts as i
    inner join clock as c on i.finalized_on <= c.on_day and (i.void_on is null or i.void_on > c.on_day)
    where
        matches(i.tenant_id, wanted_tenant)
        and matches(i.currency, wanted_currency)
        and in_window(i.finalized_on, from_date, to_date, null)
),

paid as (
    select
        p.invoice_id,
        sum(case when p.paid_on <= i.finalized_on then p.amount_minor else 0 end) as paid_0_minor,
        sum(case when p.paid_on <= i.finalized_on + 30 then p.amount_minor else 0 end) as paid_30_minor,
        sum(case when p.paid_on <= i.finalized_on + 60 then p.amount_minor else 0 end) as paid_60_minor,
        sum(case when p.paid_on <= i.finalized_on + 90 then p.amount_minor else 0 end) as paid_90_minor,
        sum(p.amount_minor) as paid_minor
    from paid_payments as p
    inner join issued as i on p.invoice_id = i.invoice_id and p.paid_on <= i.on_day
    group by p.invoice_id
)

select
    i.* exclude (on_day),
    i.on_day - i.finalized_on as age_days,
    cast(coalesce(p.paid_0_minor, 0) as bigint) as paid_0_minor,
    cast(coalesce(p.paid_30_minor, 0) as bigint) as paid_30_minor,
    cast(coalesce(p.paid_60_minor, 0) as bigint) as paid_60_minor,
    cast(coalesce(p.paid_90_minor, 0) as bigint) as paid_90_minor,
    cast(coalesce(p.paid_minor, 0) as bigint) as paid_minor
from issued as i
left join paid as p on i.invoice_id = p.invoice_id;
