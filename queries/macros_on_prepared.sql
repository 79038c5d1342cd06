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
