-- Shared definitions of usage: what a month comes to, what a price makes of units, where a billing period is likely to end; and of what happened to a
-- tenant's money. Quantities are counted in millionths as whole numbers, so that they are exact until they are shown.

create or replace macro micro(quantity) as cast(quantity * 1000000 as hugeint);

create or replace macro from_micro(millionths) as cast(cast(millionths as hugeint) as decimal(31, 0)) * 0.000001::decimal(7, 6);

-- A number of any size divided by a positive one, to the nearest whole, halves away from zero.
create or replace macro divide_whole(amount, divisor) as
    sign(amount) * ((2 * abs(cast(amount as hugeint)) + cast(divisor as hugeint)) // (2 * cast(divisor as hugeint)));

-- The median of a rising list of whole numbers, and the value that a share of them (in tenths) does not exceed; null for an empty list.
create or replace macro middle(rising) as
    cast(cast(rising[(len(rising) + 1) // 2] + rising[len(rising) // 2 + 1] as decimal(37, 0)) * 0.5::decimal(2, 1) as hugeint);

create or replace macro tenth(rising, tenths) as rising[greatest((len(rising) * tenths + 9) // 10, 1)];

-- What one period of a price costs, in minor units × 10^12, for a whole quantity: the step of the ladder that the quantity falls into.
create or replace macro period_scaled(quantity, ladder) as
    list_transform(
        list_filter(ladder, lambda t: quantity <= t.up_to)[1:1], lambda t: t.base + (cast(quantity as hugeint) - t.from_count) * t.unit
    )[1];

-- The one price per unit of each tenant on a day. A tenant with several such items has none here: which unit belongs to which item is not known.
create or replace macro unit_price_on(day) as table
select
    tenant_id,
    any_value(currency) as currency,
    any_value(ladder) as ladder,
    any_value(per_month) as per_month,
    any_value(divisor) as divisor
from item_price_spans
where kind in ('metered', 'licensed') and from_on <= day and (to_on is null or to_on > day)
group by tenant_id
having count(*) = 1;

create or replace macro day_window(from_on, until_on) as {'from_on': from_on, 'until_on': until_on};

-- What each tenant's use of each metric comes to in each of a list of windows {from_on, until_on} (both days included), in millionths. kind 'units' has
-- the metrics units_peak (highest daily count) and units_days (units × days); kind 'usage' has those that are recorded, put together as the metric
-- asks. From a tenant's first unit or event on, a window without any is 0; null where a level was not measured.
create or replace macro usage_in(asked_windows, wanted_tenant, wanted_currency) as table
with windows as (
    select unnest(asked_windows, recursive := true)
),

unit_cells as (
    select
        s.tenant_id,
        w.from_on,
        w.until_on,
        max(s.units_count) as peak,
        sum(
            s.units_count
            * (least(coalesce(s.to_on, date '9999-12-31') - 1, w.until_on) - greatest(s.from_on, w.from_on) + 1)
        ) as unit_days
    from windows as w
    inner join tenant_unit_spans as s on s.from_on <= w.until_on and (s.to_on is null or s.to_on > w.from_on)
    where matches(s.tenant_id, wanted_tenant) and matches(s.currency, wanted_currency) and (s.to_on is null or s.to_on > s.from_on)
    group by s.tenant_id, w.from_on, w.until_on
),

event_cells as (
    select
        u.tenant_id,
        u.metric,
        w.from_on,
        w.until_on,
        sum(u.quantity) as added,
        max(u.quantity) as highest,
        arg_max(u.quantity, u.day) as latest
    from windows as w
    inner join usage_aggregates as u on u.day >= w.from_on and u.day <= w.until_on
    where matches(u.tenant_id, wanted_tenant)
    group by u.tenant_id, u.metric, w.from_on, w.until_on
),

event_lives as (
    select
        u.tenant_id,
        u.metric,
        any_value(coalesce(m.aggregation, 'sum')) as aggregation,
        min(u.day) as first_day,
        greatest(max(u.day), any_value(local_date(t.deleted_at))) as last_day,
        coalesce(bool_or(t.deleted_at is not null), false) as is_over
    from usage_aggregates as u
    left join metrics as m on u.metric = m.metric
    left join tenants as t on u.tenant_id = t.tenant_id
    where matches(u.tenant_id, wanted_tenant) and matches(t.currency, wanted_currency)
    group by u.tenant_id, u.metric
)

select
    tenant_id,
    'units' as kind,
    'units_peak' as metric,
    from_on,
    until_on,
    micro(peak) as amount_micro
from unit_cells
union all
select
    tenant_id,
    'units' as kind,
    'units_days' as metric,
    from_on,
    until_on,
    micro(unit_days) as amount_micro
from unit_cells
union all
select
    l.tenant_id,
    'usage' as kind,
    l.metric,
    w.from_on,
    w.until_on,
    micro(
        case l.aggregation
            when 'sum' then coalesce(e.added, 0)
            when 'count' then coalesce(e.added, 0)
            when 'unique' then coalesce(e.highest, 0)
            when 'max' then e.highest
            when 'last' then e.latest
            else error('unknown aggregation')
        end
    ) as amount_micro
from event_lives as l
inner join windows as w on w.until_on >= l.first_day and (not l.is_over or w.from_on <= l.last_day)
left join event_cells as e
    on l.tenant_id = e.tenant_id and l.metric = e.metric and w.from_on = e.from_on and w.until_on = e.until_on;

-- The days of a month that compare with those up to a day of a later month: as many of them, or all when the later month is over.
create or replace macro same_days(month, until_on) as
    case
        when until_on = month_end(until_on) then month_end(month)
        else least(cast(month + cast(day(until_on) - 1 as integer) as date), month_end(month))
    end;

-- Months of use as in usage_in, without gaps, from since_on (null: from the first) to the last day. The month that the last day cuts has its value so
-- far; `previous_micro` is then that of the same days of the month before, else of the whole month before. The first month has nothing before it.
create or replace macro usage_cells(since_on, last_on, wanted_tenant, wanted_currency) as table
with months as (
    select
        month,
        cast(month - interval 1 month as date) as month_before,
        least(month_end(month), last_on) as until_on
    from (
        select
            unnest(
                generate_series(
                    greatest(
                        month_of(least((select min(from_on) from tenant_unit_spans), (select min(day) from usage_aggregates))),
                        month_of(cast(since_on as date))
                    ),
                    last_on,
                    interval 1 month
                )
            )::date as month
    )
),

windows as (
    select
        month as from_on,
        until_on
    from months
    union
    select
        month_before as from_on,
        same_days(month_before, until_on) as until_on
    from months
    where until_on < month_end(month)
),

amounts as (
    select *
    from usage_in((select list(day_window(from_on, until_on)) from windows), wanted_tenant, wanted_currency)
)

select
    c.tenant_id,
    c.kind,
    c.metric,
    m.month,
    m.until_on,
    m.until_on = month_end(m.month) as is_complete,
    same_days(m.month_before, m.until_on) as previous_until_on,
    c.amount_micro,
    p.amount_micro as previous_micro
from months as m
inner join amounts as c on m.month = c.from_on and m.until_on = c.until_on
left join amounts as p
    on
        c.tenant_id = p.tenant_id
        and c.kind = p.kind
        and c.metric = p.metric
        and m.month_before = p.from_on
        and same_days(m.month_before, m.until_on) = p.until_on;

-- What the units of each running billing period have come to by the last day and may come to, for each metered and licensed item; and, as kind
-- 'units', of the running calendar month for tenants without such an item. `fixed` items are there with their period. instant is the end of the
-- last day, or now. The running period is back 0; up to twelve earlier ones are as long, and cut after the same number of days.
create or replace macro unit_forecasts(instant, last_on, wanted_tenant, wanted_currency) as table
with forecast_clock as (
    select
        instant as now_at,
        last_on as last_day
),

items as (
    select
        p.*,
        c.now_at,
        coalesce(s.billing_cycle_anchor_at, i.current_period_start_at, s.started_at, cast(p.from_on as timestamptz)) as anchor_at,
        case
            when i.current_period_start_at <= c.now_at and i.current_period_end_at > c.now_at then i.current_period_start_at
        end as start_at,
        i.current_period_end_at as end_at,
        w.reporting_timezone as zone
    from item_price_spans as p
    inner join forecast_clock as c on p.from_on <= c.last_day and (p.to_on is null or p.to_on > c.last_day)
    cross join warehouse_info as w
    left join subscriptions as s on p.subscription_id = s.subscription_id
    left join subscription_items as i on p.subscription_item_id = i.subscription_item_id
    where
        matches(p.tenant_id, wanted_tenant)
        and matches(p.currency, wanted_currency)
),

-- A boundary is never further than one period from where periods of average length would put it.
guessed as (
    select
        *,
        cast(
            floor(
                (epoch(coalesce(start_at, now_at)) - epoch(anchor_at)) / (2629746 * step_months + 86400 * step_days)
            ) as bigint
        ) as guess
    from items
),

numbered as (
    select
        *,
        list_max(
            list_filter(
                [guess - 1, guess, guess + 1],
                lambda n: anchor_at + to_months(cast(step_months * n as integer)) + to_days(cast(step_days * n as integer))
                <= coalesce(start_at, now_at)
            )
        ) as number
    from guessed
),

boundaries as (
    select
        tenant_id,
        subscription_item_id,
        13 - position as back,
        cast(
            timezone(
                zone,
                case
                    when position = 13 and start_at is not null then start_at
                    when position = 14 and start_at is not null then end_at
                    else
                        anchor_at
                        + to_months(cast(step_months * (number + position - 13) as integer))
                        + to_days(cast(step_days * (number + position - 13) as integer))
                end
            ) as date
        ) as boundary_on
    from numbered
    cross join (select unnest(range(1, 15)) as position) as positions
),

item_periods as (
    select
        *,
        lead(boundary_on) over (partition by tenant_id, subscription_item_id order by back desc) as ends_on
    from boundaries
),

unpriced as (
    select distinct s.tenant_id
    from tenant_unit_spans as s
    anti join items as i on s.tenant_id = i.tenant_id and i.kind in ('metered', 'licensed')
    where
        s.units_count > 0
        and s.from_on <= last_on
        and (s.to_on is null or s.to_on > month_of(last_on))
        and matches(s.tenant_id, wanted_tenant)
        and matches(s.currency, wanted_currency)
),

periods as (
    select
        i.tenant_id,
        i.kind,
        i.subscription_item_id as subject_id,
        p.back,
        p.boundary_on as from_on,
        p.ends_on
    from item_periods as p
    inner join items as i
        on p.tenant_id is not distinct from i.tenant_id and p.subscription_item_id = i.subscription_item_id and p.back >= 0
    where i.kind <> 'fixed' or p.back = 0
    union all
    select
        u.tenant_id,
        'units' as kind,
        'units_peak' as subject_id,
        b.back,
        cast(month_of(last_on) - to_months(cast(b.back as integer)) as date) as from_on,
        cast(month_of(last_on) - to_months(cast(b.back - 1 as integer)) as date) as ends_on
    from unpriced as u
    cross join (select unnest(range(13)) as back) as b
),

cut as (
    select
        p.*,
        least(p.from_on + cast(last_on - r.from_on as integer), p.ends_on - 1) as cut_on
    from periods as p
    inner join periods as r
        on p.tenant_id is not distinct from r.tenant_id and p.kind = r.kind and p.subject_id = r.subject_id and r.back = 0
),

counted as (
    select
        p.tenant_id,
        p.kind,
        p.subject_id,
        p.back,
        p.from_on,
        p.ends_on,
        coalesce(max(s.units_count) filter (where s.from_on <= p.cut_on and coalesce(s.to_on > p.from_on, true)), 0) as peak_so_far,
        coalesce(max(s.units_count) filter (where s.from_on < p.ends_on and coalesce(s.to_on > p.from_on, true)), 0) as peak,
        coalesce(max(s.units_count) filter (where s.from_on <= p.cut_on and coalesce(s.to_on > p.cut_on, true)), 0) as units_so_far,
        coalesce(max(s.units_count) filter (where coalesce(s.to_on > p.ends_on, true)), 0) as units_at_end,
        coalesce(bool_or(f.first_unit_on <= p.from_on), false) as is_known
    from cut as p
    left join unit_spans as s on p.tenant_id = s.tenant_id and s.from_on <= p.ends_on and coalesce(s.to_on > p.from_on, true)
    left join (
        select
            tenant_id,
            min(from_on) as first_unit_on
        from unit_spans
        group by tenant_id
    ) as f on p.tenant_id = f.tenant_id
    group by p.tenant_id, p.kind, p.subject_id, p.back, p.from_on, p.ends_on
),

measured as (
    select
        *,
        case when kind = 'licensed' then units_so_far else peak_so_far end as so_far,
        case when kind = 'licensed' then units_at_end else peak end as at_end
    from counted
),

learned as (
    select
        tenant_id,
        kind,
        subject_id,
        max(from_on) filter (where back = 0) as from_on,
        max(ends_on) filter (where back = 0) as ends_on,
        max(so_far) filter (where back = 0) as so_far,
        max(at_end) filter (where back = 0) as known,
        coalesce(list_sort(list(cast(at_end - so_far as hugeint)) filter (where back > 0 and is_known)), []) as rises
    from measured
    group by tenant_id, kind, subject_id
),

foreseen as (
    select
        *,
        case
            when kind = 'licensed' or len(rises) = 0 then known
            else greatest(known, so_far + cast(middle(rises) as bigint))
        end as expected
    from learned
)

select
    * exclude (rises),
    case when len(rises) >= 6 then cast(greatest(least(expected, so_far + tenth(rises, 1)), 0) as bigint) end as low,
    case when len(rises) >= 6 then cast(greatest(expected, so_far + tenth(rises, 9)) as bigint) end as high,
    len(rises) as history_count
from foreseen;

-- What each recorded metric has come to in the calendar month of the last day and may come to, in millionths. What is added up grows by the average
-- of the last 28 days for each day that is left, a level stays. The range is what twelve earlier months came to as a share of the same forecast,
-- made then from the same day of the month.
create or replace macro metric_forecasts(last_on, wanted_tenant, wanted_currency) as table
with months as (
    select
        back,
        cast(month_of(last_on) - to_months(cast(back as integer)) as date) as month
    from (select unnest(range(13)) as back)
),

windows as (
    select
        back,
        month,
        month_end(month) as end_on,
        same_days(month, last_on) as cut_on
    from months
),

sums as (
    select
        u.tenant_id,
        u.metric,
        any_value(coalesce(m.aggregation, 'sum')) as aggregation,
        w.back,
        w.month,
        w.cut_on,
        w.end_on,
        sum(u.quantity) filter (where u.day >= w.month and u.day <= w.cut_on) as added_so_far,
        sum(u.quantity) filter (where u.day >= w.month) as added,
        sum(u.quantity) filter (where u.day > w.cut_on - 28 and u.day <= w.cut_on) as added_lately,
        max(u.quantity) filter (where u.day >= w.month and u.day <= w.cut_on) as highest_so_far,
        max(u.quantity) filter (where u.day >= w.month) as highest,
        arg_max(u.quantity, u.day) filter (where u.day <= w.cut_on) as latest_so_far,
        arg_max(u.quantity, u.day) as latest
    from windows as w
    inner join usage_aggregates as u
        on u.day > least(w.cut_on - 28, w.month - 1) and u.day <= w.end_on and u.day <= last_on
    left join metrics as m on u.metric = m.metric
    left join tenants as t on u.tenant_id = t.tenant_id
    where matches(u.tenant_id, wanted_tenant) and matches(t.currency, wanted_currency)
    group by u.tenant_id, u.metric, w.back, w.month, w.cut_on, w.end_on
),

chosen as (
    select
        *,
        case aggregation
            when 'sum' then coalesce(added_so_far, 0)
            when 'count' then coalesce(added_so_far, 0)
            when 'max' then highest_so_far
            when 'unique' then highest_so_far
            when 'last' then latest_so_far
            else error('unknown aggregation')
        end as so_far_quantity,
        case aggregation
            when 'sum' then coalesce(added, 0)
            when 'count' then coalesce(added, 0)
            when 'max' then highest
            when 'unique' then highest
            when 'last' then latest
            else error('unknown aggregation')
        end as whole_quantity,
        case when aggregation in ('sum', 'count') then coalesce(added_lately, 0) else 0 end as lately_quantity
    from sums
),

guessed as (
    select
        c.*,
        l.first_day,
        micro(c.so_far_quantity) as so_far,
        micro(c.whole_quantity) as whole,
        micro(c.so_far_quantity) + divide_whole(micro(c.lately_quantity) * (c.end_on - c.cut_on), 28) as guess
    from chosen as c
    inner join (
        select
            tenant_id,
            metric,
            min(day) as first_day
        from usage_aggregates
        group by tenant_id, metric
    ) as l on c.tenant_id = l.tenant_id and c.metric = l.metric
),

learned as (
    select
        tenant_id,
        metric,
        max(month) filter (where back = 0) as from_on,
        max(end_on) filter (where back = 0) + 1 as ends_on,
        max(so_far) filter (where back = 0) as so_far,
        max(guess) filter (where back = 0) as expected,
        coalesce(
            list_sort(
                list(divide_whole(whole * 1000000, nullif(guess, 0))) filter (where back > 0 and first_day <= cut_on - 27 and guess > 0)
            ),
            []
        ) as shares
    from guessed
    group by tenant_id, metric
),

ranged as (
    select
        *,
        case when len(shares) >= 6 and expected >= 0 then divide_whole(expected * tenth(shares, 1), 1000000) end as low_guess,
        case when len(shares) >= 6 and expected >= 0 then divide_whole(expected * tenth(shares, 9), 1000000) end as high_guess
    from learned
    where so_far is not null
)

select
    tenant_id,
    metric,
    from_on,
    ends_on,
    so_far,
    expected,
    case when low_guess is not null then least(expected, greatest(low_guess, so_far)) end as low,
    case when high_guess is not null then greatest(expected, high_guess) end as high,
    len(shares) as history_count
from ranged;

-- Payments in and outside Stripe, failed attempts and refunds, each with its tenant, invoice, method and reason. signed_minor is what moved.
create or replace view tenant_money as
with methods as (
    select
        *,
        case
            when card_last4 is not null then concat_ws(' ', card_brand, '…' || card_last4)
            else replace(payment_method_type, '_', ' ')
        end as method
    from charges
),

found as (
    select
        'payment' as kind,
        p.payment_id as subject_id,
        p.tenant_id,
        p.paid_on as on_date,
        p.currency,
        p.amount_minor,
        p.amount_minor as signed_minor,
        'paid' as status,
        case when p.is_outside_stripe then 'outside Stripe' else h.method end as method,
        p.reference as reason,
        null as failure_code,
        p.invoice_id,
        p.customer_id
    from paid_payments as p
    left join methods as h on p.charge_id = h.charge_id
    union all
    select
        'failed_attempt' as kind,
        h.charge_id as subject_id,
        coalesce(h.tenant_id, i.tenant_id) as tenant_id,
        h.created_on as on_date,
        h.currency,
        h.amount_minor,
        0 as signed_minor,
        h.status,
        h.method,
        coalesce(h.failure_message, h.decline_code, h.failure_code) as reason,
        coalesce(h.decline_code, h.failure_code) as failure_code,
        h.invoice_id,
        coalesce(h.customer_id, i.customer_id) as customer_id
    from methods as h
    left join invoices as i on h.invoice_id = i.invoice_id
    where h.status = 'failed'
    union all
    select
        'refund' as kind,
        r.refund_id as subject_id,
        coalesce(r.tenant_id, h.tenant_id, i.tenant_id) as tenant_id,
        r.created_on as on_date,
        r.currency,
        r.amount_minor,
        case when r.status in ('succeeded', 'pending') then -r.amount_minor else 0 end as signed_minor,
        r.status,
        h.method,
        replace(r.reason, '_', ' ') as reason,
        null as failure_code,
        coalesce(r.invoice_id, h.invoice_id) as invoice_id,
        coalesce(r.customer_id, h.customer_id, i.customer_id) as customer_id
    from refunds as r
    left join methods as h on r.charge_id = h.charge_id
    left join invoices as i on coalesce(r.invoice_id, h.invoice_id) = i.invoice_id
)

select *
from found;
