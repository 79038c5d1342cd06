-- title: Needs attention
-- purpose: What somebody should look at now. past_due: an open invoice beyond its due day (without one: beyond its finalization) that no charge
--   has failed on. payment_failed: an open invoice whose last charge failed, since the first failure. draft_finalizing: a draft that finalizes by
--   itself within 24 hours. no_subscription: a tenant occupies units today and has no running subscription. uncollectible: an invoice written
--   off in the last 90 days, with what was lost. dispute: a dispute that is not decided. no_tenant: a customer with something open or a
--   running subscription that belongs to no tenant. All as things stand now; the largest amounts come first within a kind.
-- grain: kind, subject_id, currency
-- params: now, today, tenant_id, currency
-- sources: invoices, receivable_spans, charges, subscriptions, unit_spans, disputes, tenants, customers
-- permission: reports.read
-- columns:
--   kind | varchar | text | past_due, payment_failed, draft_finalizing, no_subscription, uncollectible, dispute or no_tenant.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name, else the customer's.
--   currency | varchar | text | ISO code, lower case.
--   amount_minor | bigint | minor units | What is at stake, with tax; empty where no amount is known.
--   since_on | date | date | Since when; for drafts the day of finalization.
--   subject_id | varchar | id | The invoice, dispute, tenant or customer to open.
--   detail | varchar | text | What exactly, in English.
--   reference | varchar | text | Of it, the invoice's number.
--   reason | varchar | text | Of it, why: due or finalized (what an open invoice is late since), what Stripe says of a charge or a dispute.
--   occurrences_count | bigint | count | Of it, how many: days late, failed attempts, units occupied.
with last_charges as (
    select
        invoice_id,
        arg_max(status, created_at) as last_status,
        arg_max(coalesce(failure_message, decline_code, failure_code), created_at) as reason,
        min(created_on) filter (where status = 'failed') as first_failed_on,
        count(*) filter (where status = 'failed') as failures_count
    from charges
    where invoice_id is not null
    group by invoice_id
),

open_invoices as (
    select
        i.*,
        h.reason,
        h.first_failed_on,
        h.failures_count,
        coalesce(h.last_status = 'failed', false) as is_failed
    from invoices_as_of(null) as i
    left join last_charges as h on i.invoice_id = h.invoice_id
    where i.open_minor > 0
),

running as (
    select distinct
        tenant_id,
        customer_id,
        currency
    from running_subscriptions($now)
),

owed as (
    select
        customer_id,
        currency,
        sum(open_minor) as open_minor
    from open_invoices
    group by customer_id, currency
),

found as (
    select
        'past_due' as kind,
        tenant_id,
        customer_id,
        currency,
        open_minor as amount_minor,
        due_from_on as since_on,
        invoice_id as subject_id,
        coalesce(number, invoice_id) || case when is_due_stated then ' was due ' else ' was finalized ' end
        || ($today - due_from_on) || ' days ago' as detail,
        coalesce(number, invoice_id) as reference,
        case when is_due_stated then 'due' else 'finalized' end as reason,
        $today - due_from_on as occurrences_count
    from open_invoices
    where due_from_on < $today and not is_failed
    union all
    select
        'payment_failed' as kind,
        tenant_id,
        customer_id,
        currency,
        open_minor as amount_minor,
        first_failed_on as since_on,
        invoice_id as subject_id,
        coalesce(number, invoice_id) || ': ' || coalesce(reason, 'no reason given') || ' (' || failures_count
        || case when failures_count = 1 then ' attempt)' else ' attempts)' end as detail,
        coalesce(number, invoice_id) as reference,
        reason,
        failures_count as occurrences_count
    from open_invoices
    where is_failed
    union all
    select
        'draft_finalizing' as kind,
        tenant_id,
        customer_id,
        currency,
        total_minor as amount_minor,
        local_date(automatically_finalizes_at) as since_on,
        invoice_id as subject_id,
        'draft finalizes by itself' as detail,
        null as reference,
        null as reason,
        null as occurrences_count
    from invoices
    where status = 'draft' and automatically_finalizes_at <= $now + interval 24 hour
    union all
    select
        'no_subscription' as kind,
        u.tenant_id,
        null as customer_id,
        t.currency,
        null as amount_minor,
        u.from_on as since_on,
        u.tenant_id as subject_id,
        u.units_count || case when u.units_count = 1 then ' unit' else ' units' end || ' occupied' as detail,
        null as reference,
        null as reason,
        u.units_count as occurrences_count
    from unit_spans as u
    left join tenants as t on u.tenant_id = t.tenant_id
    anti join running as r on u.tenant_id = r.tenant_id
    where u.units_count > 0 and u.from_on <= $today and (u.to_on is null or u.to_on > $today)
    union all
    select
        'uncollectible' as kind,
        tenant_id,
        customer_id,
        currency,
        amount_remaining_minor as amount_minor,
        uncollectible_on as since_on,
        invoice_id as subject_id,
        coalesce(number, invoice_id) || ' was written off' as detail,
        coalesce(number, invoice_id) as reference,
        null as reason,
        null as occurrences_count
    from invoice_facts
    where status = 'uncollectible' and uncollectible_on > $today - 90
    union all
    select
        'dispute' as kind,
        d.tenant_id,
        d.customer_id,
        d.currency,
        d.amount_minor,
        d.created_on as since_on,
        d.dispute_id as subject_id,
        replace(concat_ws(', ', d.reason, d.status), '_', ' ') as detail,
        null as reference,
        replace(concat_ws(', ', d.reason, d.status), '_', ' ') as reason,
        null as occurrences_count
    from disputes as d
    where d.status not in ('won', 'lost', 'warning_closed', 'prevented')
    union all
    select
        'no_tenant' as kind,
        null as tenant_id,
        c.customer_id,
        coalesce(i.currency, any_value(s.currency), c.currency) as currency,
        any_value(i.open_minor) as amount_minor,
        local_date(c.created_at) as since_on,
        c.customer_id as subject_id,
        'this customer belongs to no tenant' as detail,
        null as reference,
        null as reason,
        null as occurrences_count
    from customers as c
    left join owed as i on c.customer_id = i.customer_id
    left join running as s on c.customer_id = s.customer_id
    where c.tenant_id is null and not c.is_deleted and (i.open_minor > 0 or s.customer_id is not null)
    group by c.customer_id, c.currency, c.created_at, i.currency
)

select
    f.kind,
    f.tenant_id,
    coalesce(t.name, c.name, c.email) as tenant_name,
    f.currency,
    cast(f.amount_minor as bigint) as amount_minor,
    f.since_on,
    f.subject_id,
    f.detail,
    f.reference,
    f.reason,
    cast(f.occurrences_count as bigint) as occurrences_count
from found as f
left join tenants as t on f.tenant_id = t.tenant_id
left join customers as c on f.customer_id = c.customer_id
where matches(f.tenant_id, $tenant_id) and matches(f.currency, $currency)
order by
    list_position(
        ['draft_finalizing', 'payment_failed', 'past_due', 'dispute', 'no_subscription', 'no_tenant', 'uncollectible'], f.kind
    ),
    f.amount_minor desc nulls last,
    f.subject_id
