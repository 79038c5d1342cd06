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
