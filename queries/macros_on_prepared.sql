-- Shared definitions that read prepared tables; created after them.

-- The state of every invoice at the end of a day; a null day means as it stands. Invoices that did not exist yet are left out.
create or replace macro invoices_as_of(day) as table
select
    f.* exclude (status),
    case
        when day is null then f.status
        when f.finalized_on is null or f.finalized_on > day then 'draft'
        when f.void_on <= day then 'void'
        when f.settled_on <= day then 'paid'
        when f.uncollectible_on <= day then 'uncollectible'
        else 'open'
    end as status,
    coalesce(s.open_minor, 0) as open_minor
from invoice_facts as f
left join receivable_spans as s
    on
        f.invoice_id = s.invoice_id
        and s.from_on <= coalesce(day, date '9999-12-31')
        and (s.to_on is null or s.to_on > coalesce(day, date '9999-12-31'))
where day is null or coalesce(f.created_on, f.finalized_on) <= day or f.finalized_on <= day;

-- Units of every tenant without gaps, as spans of days [from_on, to_on): from its creation or its first occupancy, whichever is earlier, with a
-- span of 0 before the first unit and for a tenant that has none. Spans of 0 end with the deletion of a tenant; units are never hidden.
create or replace view tenant_unit_spans as
with first_units as (
    select
        tenant_id,
        min(from_on) as first_unit_on
    from unit_spans
    group by tenant_id
),

lives as (
    select
        coalesce(t.tenant_id, u.tenant_id) as tenant_id,
        t.name as tenant_name,
        t.currency,
        local_date(t.deleted_at) as deleted_on,
        least(local_date(t.created_at), u.first_unit_on) as first_on,
        u.first_unit_on
    from tenants as t
    full outer join first_units as u on t.tenant_id = u.tenant_id
),

spans as (
    select
        l.tenant_id,
        l.tenant_name,
        l.currency,
        l.deleted_on,
        s.from_on,
        s.to_on,
        s.units_count
    from lives as l
    inner join unit_spans as s on l.tenant_id = s.tenant_id
    union all
    select
        tenant_id,
        tenant_name,
        currency,
        deleted_on,
        first_on as from_on,
        first_unit_on as to_on,
        0 as units_count
    from lives
    where first_unit_on is null or first_on < first_unit_on
)

select
    tenant_id,
    tenant_name,
    currency,
    from_on,
    case when units_count = 0 then least(to_on, deleted_on) else to_on end as to_on,
    units_count
from spans;

-- Recurring revenue of each tenant and currency at each month's end (the last month: on the given day), rounded once per cell.
create or replace macro mrr_by_month(last_on) as table
with spans as (
    select
        tenant_id,
        currency,
        category,
        from_on,
        to_on,
        scaled,
        as_billed_scaled,
        scale,
        0 as usage_scaled,
        1 as usage_scale
    from mrr_spans
    union all
    select
        tenant_id,
        currency,
        'usage' as category,
        from_on,
        to_on,
        0 as scaled,
        0 as as_billed_scaled,
        (select coalesce(any_value(scale), 1) from mrr_spans) as scale,
        scaled as usage_scaled,
        scale as usage_scale
    from mrr_usage_spans
),

months as (
    select
        month,
        least(month_end(month), last_on) as measured_on
    from (
        select unnest(generate_series(month_of(min(from_on)), last_on, interval 1 month))::date as month
        from spans
    )
)

select
    m.month,
    m.measured_on,
    s.tenant_id,
    s.currency,
    divide_minor(coalesce(sum(s.scaled) filter (where s.category = 'committed'), 0), max(s.scale)) as committed_minor,
    divide_minor(coalesce(sum(s.as_billed_scaled) filter (where s.category = 'committed'), 0), max(s.scale)) as as_billed_minor,
    divide_minor(coalesce(sum(s.usage_scaled) filter (where s.category = 'usage'), 0), max(s.usage_scale)) as usage_minor,
    divide_minor(coalesce(sum(s.scaled) filter (where s.category = 'trial'), 0), max(s.scale)) as trial_minor,
    divide_minor(coalesce(sum(s.scaled) filter (where s.category = 'paused'), 0), max(s.scale)) as paused_minor,
    divide_minor(coalesce(sum(s.scaled) filter (where s.category = 'left_out'), 0), max(s.scale)) as left_out_minor
from months as m
inner join spans as s on s.from_on <= m.measured_on and (s.to_on is null or s.to_on > m.measured_on)
group by m.month, m.measured_on, s.tenant_id, s.currency;

-- How recurring revenue of each tenant and currency moved in each month, without gaps from its first month with any to the last.
-- basis is 'committed', 'as_billed' or 'total' (committed and usage).
create or replace macro mrr_moves(last_on, basis) as table
with cells as (
    select
        month,
        tenant_id,
        currency,
        case basis
            when 'committed' then committed_minor
            when 'as_billed' then as_billed_minor
            when 'total' then committed_minor + usage_minor
            else error('basis is one of committed, as_billed, total')
        end as mrr_minor
    from mrr_by_month(last_on)
),

lives as (
    select
        tenant_id,
        currency,
        unnest(generate_series(min(month), last_on, interval 1 month))::date as month
    from cells
    where mrr_minor <> 0
    group by tenant_id, currency
),

grid as (
    select
        l.month,
        l.tenant_id,
        l.currency,
        coalesce(c.mrr_minor, 0) as closing_minor
    from lives as l
    left join cells as c
        on l.month = c.month and l.tenant_id is not distinct from c.tenant_id and l.currency = c.currency
),

compared as (
    select
        *,
        coalesce(lag(closing_minor) over w, 0) as opening_minor,
        coalesce(max(closing_minor) over (w rows between unbounded preceding and 1 preceding), 0) > 0 as was_paying,
        min(month) filter (where closing_minor > 0) over (partition by tenant_id, currency) as cohort_month
    from grid
    window w as (partition by tenant_id, currency order by month)
)

select
    month,
    tenant_id,
    currency,
    cohort_month,
    opening_minor,
    closing_minor,
    case
        when opening_minor <= 0 and closing_minor > 0 and not was_paying then 'new'
        when opening_minor <= 0 and closing_minor > 0 then 'reactivation'
        when opening_minor > 0 and closing_minor <= 0 then 'churn'
        when closing_minor > opening_minor then 'expansion'
        when closing_minor < opening_minor then 'contraction'
        when closing_minor = opening_minor then 'none'
        else error('no such movement')
    end as kind,
    closing_minor - opening_minor as change_minor
from compared;

-- The day that figures of revenue reach to: the as-of day, else today, or the latest document or payment when that lies ahead (Stripe's test clocks).
create or replace macro reached_on(as_of, today) as
    coalesce(cast(as_of as date), greatest(cast(today as date), (select max(entry_on) from revenue_entries)));

-- What each item earns in each month, and what of it is deferred or accrued at the month's last day that counts: its end, or the as-of day (today
-- unless told), or the end of the range. A month that a range cuts begins on the range's first day. `_before` are the balances the day before.
-- Items that are booked after the as-of day do not exist. An item has rows from the month it is booked or begins to earn in, to the month it ends.
create or replace macro recognition_by_month(from_date, to_date, as_of, today, wanted_tenant, wanted_currency) as table
with clock as (
    select least(reached_on(as_of, today), cast(to_date as date) - 1) as last_on
),

items as (
    select
        i.*,
        unnest(
            generate_series(
                greatest(month_of(least(i.starts_on, i.booked_on)), month_of(cast(from_date as date))),
                least(month_of(greatest(i.service_to_on - 1, i.booked_on)), month_of(c.last_on)),
                interval 1 month
            )
        )::date as month,
        c.last_on
    from revenue_items as i
    cross join clock as c
    where
        (as_of is null or i.booked_on <= cast(as_of as date))
        and matches(i.tenant_id, wanted_tenant)
        and matches(i.currency, wanted_currency)
),

measured as (
    select
        *,
        least(month_end(month), last_on) as measured_on,
        greatest(month, cast(from_date as date)) - 1 as before_on
    from items
),

earned as (
    select
        *,
        earned_minor(net_minor, service_from_on, service_to_on, starts_on, measured_on) as earned_minor,
        earned_minor(net_minor, service_from_on, service_to_on, starts_on, before_on) as earned_before_minor
    from measured
)

select
    * exclude (last_on),
    case when booked_on > before_on and booked_on <= measured_on then net_minor else 0 end as booked_minor,
    earned_minor - earned_before_minor as recognised_minor,
    case when booked_on <= measured_on then net_minor - earned_minor else 0 end as deferred_minor,
    case when booked_on > measured_on then earned_minor else 0 end as accrued_minor,
    case when booked_on <= before_on then net_minor - earned_before_minor else 0 end as deferred_before_minor,
    case when booked_on > before_on then earned_before_minor else 0 end as accrued_before_minor
from earned;

-- What changed a tenant's net revenue from one month to the next, item by item. Each item counts positive in its month and negative in the one after.
-- Quantities of a month are priced at the average price of the month before: that is what the number of units did, the rest is what prices did.
create or replace macro bridge_items(as_of, wanted_tenant, wanted_currency) as table
with booked as (
    select
        tenant_id,
        currency,
        month_of(booked_on) as booked_month,
        kind,
        item_id,
        subject_id,
        invoice_id,
        description,
        net_minor,
        discount_minor,
        net_minor + discount_minor as gross_minor,
        quantity,
        case
            when kind <> 'invoice' or is_proration or role is null then 'other'
            when role = 'flat' then 'flat'
            else 'units'
        end as part
    from revenue_items
    where
        (as_of is null or booked_on <= cast(as_of as date))
        and matches(tenant_id, wanted_tenant)
        and matches(currency, wanted_currency)
),

averages as (
    select
        tenant_id,
        currency,
        booked_month,
        sum(gross_minor) as gross_minor,
        -- Six decimals, as quantities are kept: whole numbers divide exactly.
        cast(sum(coalesce(quantity, 0)) * 1000000 as hugeint) as quantity
    from booked
    where part = 'units'
    group by tenant_id, currency, booked_month
),

this_month as (
    select
        b.*,
        b.booked_month as month,
        a.gross_minor as last_gross_minor,
        a.quantity as last_quantity,
        sum(cast(coalesce(b.quantity, 0) * 1000000 as hugeint)) over w as running_quantity
    from booked as b
    left join averages as a
        on
            b.tenant_id is not distinct from a.tenant_id
            and b.currency = a.currency
            and b.booked_month = a.booked_month + interval 1 month
            and a.quantity > 0
            and b.part = 'units'
    window w as (partition by b.tenant_id, b.currency, b.booked_month, b.part order by b.kind, b.item_id)
),

priced as (
    select
        *,
        case
            when part <> 'units' then 0
            when last_quantity is null then gross_minor
            else
                divide_minor(running_quantity * last_gross_minor, last_quantity)
                - divide_minor((running_quantity - cast(coalesce(quantity, 0) * 1000000 as hugeint)) * last_gross_minor, last_quantity)
        end as units_minor
    from this_month
),

signed as (
    select
        month,
        tenant_id,
        currency,
        booked_month,
        kind,
        item_id,
        subject_id,
        invoice_id,
        description,
        quantity,
        part,
        units_minor,
        case when part = 'units' then gross_minor - units_minor else 0 end as price_minor,
        case when part = 'flat' then gross_minor else 0 end as flat_minor,
        case when part <> 'other' then -discount_minor else 0 end as discount_minor,
        case when part = 'other' then net_minor else 0 end as other_minor,
        net_minor as total_change_minor
    from priced
    union all
    select
        cast(booked_month + interval 1 month as date) as month,
        tenant_id,
        currency,
        booked_month,
        kind,
        item_id,
        subject_id,
        invoice_id,
        description,
        -quantity as quantity,
        part,
        case when part = 'units' then -gross_minor else 0 end as units_minor,
        0 as price_minor,
        case when part = 'flat' then -gross_minor else 0 end as flat_minor,
        case when part <> 'other' then discount_minor else 0 end as discount_minor,
        case when part = 'other' then -net_minor else 0 end as other_minor,
        -net_minor as total_change_minor
    from booked
)

select *
from signed;

-- All postings up to the as-of day (today unless told): those of vouchers, and at each month's end what is deferred and accrued more or less than at
-- the end of the month before. Debit positive, credit negative. The VAT code stands on what the tax is reckoned on, not on postings between months.
create or replace macro journal_postings(to_date, as_of, today, wanted_tenant, wanted_currency) as table
with shifts as (
    select
        measured_on as entry_on,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        'revenue_' || tax_treatment as role,
        deferred_minor - deferred_before_minor as deferred_minor,
        accrued_minor - accrued_before_minor as accrued_minor
    from recognition_by_month(null, to_date, as_of, today, wanted_tenant, wanted_currency)
),

shifted as (
    select
        entry_on,
        'deferral' as kind,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        role,
        deferred_minor as amount_minor
    from shifts
    union all
    select
        entry_on,
        'deferral' as kind,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        'deferred' as role,
        -deferred_minor as amount_minor
    from shifts
    union all
    select
        entry_on,
        'accrual' as kind,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        role,
        -accrued_minor as amount_minor
    from shifts
    union all
    select
        entry_on,
        'accrual' as kind,
        subject_id,
        invoice_id,
        tenant_id,
        currency,
        'accrued' as role,
        accrued_minor as amount_minor
    from shifts
),

postings as (
    select
        *,
        true as is_voucher
    from voucher_postings
    where
        in_window(entry_on, null, to_date, as_of)
        and matches(tenant_id, wanted_tenant)
        and matches(currency, wanted_currency)
    union all
    select
        *,
        false as is_voucher
    from shifted
    where amount_minor <> 0
)

select
    p.entry_on,
    month_of(p.entry_on) as month,
    p.kind,
    p.subject_id,
    any_value(p.invoice_id) as invoice_id,
    any_value(p.tenant_id) as tenant_id,
    p.currency,
    a.account,
    any_value(a.account_name) as account_name,
    case when p.is_voucher then a.vat_code end as vat_code,
    sum_minor(p.amount_minor) as amount_minor
from postings as p
inner join accounts as a on p.role = a.role
group by p.entry_on, p.kind, p.subject_id, p.currency, a.account, case when p.is_voucher then a.vat_code end
having sum(p.amount_minor) <> 0;
