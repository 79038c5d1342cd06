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
