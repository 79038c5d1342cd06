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
