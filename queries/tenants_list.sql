-- title: Tenants
-- purpose: Every tenant with what it occupies and owes today (or on the as-of day). Units are distinct occupied units. Running
--   subscriptions are those that are active, past due, on trial, unpaid or paused and have not ended. Open and past due are in the tenant's own
--   currency; what it owes in another one is in "Invoices". Deleted tenants stay in the list with their day of deletion.
-- grain: tenant_id
-- params: as_of, now, today, tenant_id, currency
-- sources: tenants, tenant_details, unit_spans, subscriptions, receivable_spans
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant.
--   name | varchar | text | Its name.
--   email | varchar | text | Where mail goes.
--   country | varchar | text | ISO code of its country.
--   currency | varchar | text | Its own currency, lower case.
--   created_on | date | date | Since when it is a tenant.
--   deleted_on | date | date | Deleted on this day.
--   cvr_number | varchar | text | Danish company number.
--   units_count | bigint | units | Distinct units occupied.
--   subscriptions_count | bigint | count | Running subscriptions.
--   open_minor | bigint | minor units | Open on invoices in its currency, with tax.
--   past_due_minor | bigint | minor units | Of it past due.
with clock as (
    select coalesce(cast($as_of as date), $today) as on_day
),

units as (
    select
        s.tenant_id,
        s.units_count
    from unit_spans as s
    inner join clock as c on s.from_on <= c.on_day and (s.to_on is null or s.to_on > c.on_day)
),

running as (
    select
        tenant_id,
        count(*) as subscriptions_count
    from running_subscriptions($now)
    group by tenant_id
),

receivables as (
    select
        s.tenant_id,
        s.currency,
        sum_minor(s.open_minor) as open_minor,
        sum_minor(case when s.due_from_on < c.on_day then s.open_minor else 0 end) as past_due_minor
    from receivable_spans as s
    inner join clock as c on s.from_on <= c.on_day and (s.to_on is null or s.to_on > c.on_day)
    group by s.tenant_id, s.currency
)

select
    t.tenant_id,
    t.name,
    t.email,
    t.country,
    t.currency,
    local_date(t.created_at) as created_on,
    local_date(t.deleted_at) as deleted_on,
    d.cvr_number,
    coalesce(u.units_count, 0) as units_count,
    coalesce(s.subscriptions_count, 0) as subscriptions_count,
    coalesce(r.open_minor, 0) as open_minor,
    coalesce(r.past_due_minor, 0) as past_due_minor
from tenants as t
left join tenant_details as d on t.tenant_id = d.tenant_id
left join units as u on t.tenant_id = u.tenant_id
left join running as s on t.tenant_id = s.tenant_id
left join receivables as r on t.tenant_id = r.tenant_id and t.currency = r.currency
where matches(t.tenant_id, $tenant_id) and matches(t.currency, $currency)
order by t.tenant_id
