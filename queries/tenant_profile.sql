-- title: About a tenant
-- purpose: One row per tenant with what support needs first, at the end of the as-of day (else as things stand). Units are distinct occupied units;
--   the peak is the highest daily count of the month so far. Recurring revenue is that of the day. Invoiced, credited, collected and refunded are
--   over all time and over the twelve months that end on the day: invoiced and credited without tax, the others with. Amounts are in the tenant's
--   own currency; other_currencies names those it was invoiced in besides. Credit is what its customers have to their credit at Stripe. Status,
--   trial, next period, card, credit and customers are as things stand, whatever the day.
-- grain: tenant_id
-- params: as_of, now, today, tenant_id, currency
-- sources: tenants, tenant_details, customers, unit_spans, subscriptions, subscription_items, products, mrr_spans, mrr_usage_spans, revenue_entries,
--   receivable_spans, charges
-- permission: reports.read
-- converted_on: as_of
-- columns:
--   tenant_id | varchar | id | The tenant.
--   name | varchar | text | Its name.
--   email | varchar | text | Where mail goes.
--   country | varchar | text | ISO code of its country.
--   currency | varchar | text | Its own currency, lower case.
--   created_on | date | date | Since when it is a tenant.
--   deleted_on | date | date | Deleted on this day.
--   cvr_number | varchar | text | Danish company number.
--   ean_number | varchar | text | EAN number for NemHandel.
--   order_reference | varchar | text | What invoices are to be marked with.
--   language | varchar | text | Language of its letters.
--   note | varchar | text | Kept with its details.
--   customer_ids | varchar | text | Stripe customers, separated by spaces.
--   customers_count | bigint | count | How many they are.
--   is_delinquent | boolean | yes/no | Whether Stripe says that a customer is.
--   status | varchar | text | Worst status of its running subscriptions; none without any.
--   subscriptions_count | bigint | count | Running subscriptions.
--   products | varchar | text | What they sell, separated by commas.
--   collection_method | varchar | text | charge_automatically or send_invoice; both when they differ.
--   trial_end_on | date | date | End of a trial that runs.
--   period_end_on | date | date | Next end of a billing period.
--   cancel_on | date | date | When a subscription is to end.
--   units_count | bigint | units | Units on the day.
--   peak_units_count | bigint | units | Peak of the month so far.
--   units_year_ago_count | bigint | units | Units a year earlier.
--   next_move_on | date | date | The next day on which the number of units changes.
--   committed_minor | bigint | minor units | Committed recurring revenue per month.
--   usage_minor | bigint | minor units | Metered recurring revenue per month.
--   invoiced_minor | bigint | minor units | Invoiced so far.
--   credited_minor | bigint | minor units | Credited so far.
--   collected_minor | bigint | minor units | Collected so far.
--   refunded_minor | bigint | minor units | Refunded so far.
--   invoiced_year_minor | bigint | minor units | Invoiced less credited in twelve months.
--   collected_year_minor | bigint | minor units | Collected less refunded in twelve months.
--   open_minor | bigint | minor units | Open on invoices.
--   past_due_minor | bigint | minor units | Of it past due.
--   past_due_since_on | date | date | The first day past due of what is open.
--   open_invoices_count | bigint | count | Invoices with something open.
--   credit_minor | bigint | minor units | Credit at Stripe.
--   last_invoiced_on | date | date | Its last invoice.
--   last_paid_on | date | date | Its last payment.
--   last_failed_on | date | date | Its last failed attempt.
--   last_failure | varchar | text | Why that failed.
--   card | varchar | text | The card charged last.
--   other_currencies | varchar | text | Other currencies it was invoiced in, separated by spaces.
with clock as (
    select coalesce(cast($as_of as date), $today) as on_day
),

chosen as (
    select
        t.*,
        c.on_day
    from tenants as t
    cross join clock as c
    where matches(t.tenant_id, $tenant_id) and matches(t.currency, $currency)
),

people as (
    select
        tenant_id,
        string_agg(customer_id, ' ' order by created_at, customer_id) as customer_ids,
        count(*) as customers_count,
        bool_or(is_delinquent) as is_delinquent,
        sum(-balance_minor) filter (where currency is not distinct from tenant_currency) as credit_minor
    from (
        select
            c.*,
            t.currency as tenant_currency
        from customers as c
        inner join chosen as t on c.tenant_id = t.tenant_id
        where not c.is_deleted
    ) as own
    group by tenant_id
),

running as (
    select
        s.tenant_id,
        list_min(list(list_position(['unpaid', 'past_due', 'paused', 'trialing', 'active'], s.status))) as worst,
        count(*) as subscriptions_count,
        string_agg(distinct f.collection_method, ', ' order by f.collection_method) as collection_method,
        local_date(min(f.trial_end_at) filter (where s.status = 'trialing')) as trial_end_on,
        local_date(min(f.cancel_at)) as cancel_on
    from running_subscriptions($now) as s
    inner join subscriptions as f on s.subscription_id = f.subscription_id
    where matches(s.tenant_id, $tenant_id)
    group by s.tenant_id
),

sold as (
    select
        s.tenant_id,
        string_agg(distinct p.name, ', ' order by p.name) as products,
        local_date(min(i.current_period_end_at)) as period_end_on
    from running_subscriptions($now) as s
    inner join subscription_items as i on s.subscription_id = i.subscription_id and not i.is_deleted
    left join products as p on i.product_id = p.product_id
    where matches(s.tenant_id, $tenant_id)
    group by s.tenant_id
),

units as (
    select
        s.tenant_id,
        max(s.units_count) filter (where s.from_on <= t.on_day and (s.to_on is null or s.to_on > t.on_day)) as units_count,
        max(s.units_count) filter (
            where s.from_on <= t.on_day and (s.to_on is null or s.to_on > month_of(t.on_day))
        ) as peak_units_count,
        max(s.units_count) filter (
            where
            s.from_on <= cast(t.on_day - interval 1 year as date)
            and (s.to_on is null or s.to_on > cast(t.on_day - interval 1 year as date))
        ) as units_year_ago_count,
        min(s.from_on) filter (where s.from_on > t.on_day) as next_move_on
    from unit_spans as s
    inner join chosen as t on s.tenant_id = t.tenant_id
    group by s.tenant_id
),

licensed as (
    select
        s.tenant_id,
        divide_minor(sum(s.scaled), max(s.scale)) as committed_minor
    from mrr_spans as s
    inner join chosen as t
        on
            s.tenant_id = t.tenant_id
            and s.currency = t.currency
            and s.from_on <= t.on_day
            and (s.to_on is null or s.to_on > t.on_day)
    where s.category = 'committed'
    group by s.tenant_id
),

metered as (
    select
        s.tenant_id,
        divide_minor(sum(s.scaled), max(s.scale)) as usage_minor
    from mrr_usage_spans as s
    inner join chosen as t
        on
            s.tenant_id = t.tenant_id
            and s.currency = t.currency
            and s.from_on <= t.on_day
            and (s.to_on is null or s.to_on > t.on_day)
    group by s.tenant_id
),

entries as (
    select
        e.*,
        e.currency = t.currency as is_own,
        e.entry_on > t.on_day - interval 1 year as is_last_year
    from revenue_entries as e
    inner join chosen as t on e.tenant_id = t.tenant_id and e.entry_on <= t.on_day
),

flows as (
    select
        tenant_id,
        sum_minor(case when is_own then invoiced_minor else 0 end) as invoiced_minor,
        sum_minor(case when is_own then credited_minor else 0 end) as credited_minor,
        sum_minor(case when is_own then collected_minor else 0 end) as collected_minor,
        sum_minor(case when is_own then refunded_minor else 0 end) as refunded_minor,
        sum_minor(case when is_own and is_last_year then invoiced_minor - credited_minor else 0 end) as invoiced_year_minor,
        sum_minor(case when is_own and is_last_year then collected_minor - refunded_minor else 0 end) as collected_year_minor,
        max(entry_on) filter (where kind = 'invoice') as last_invoiced_on,
        max(entry_on) filter (where kind = 'payment') as last_paid_on,
        string_agg(distinct currency, ' ' order by currency) filter (where not is_own) as other_currencies
    from entries
    group by tenant_id
),

receivables as (
    select
        s.tenant_id,
        sum_minor(s.open_minor) as open_minor,
        sum_minor(case when s.due_from_on < t.on_day then s.open_minor else 0 end) as past_due_minor,
        min(s.due_from_on) filter (where s.due_from_on < t.on_day) + 1 as past_due_since_on,
        count(*) as open_invoices_count
    from receivable_spans as s
    inner join chosen as t
        on
            s.tenant_id = t.tenant_id
            and s.currency = t.currency
            and s.from_on <= t.on_day
            and (s.to_on is null or s.to_on > t.on_day)
    group by s.tenant_id
),

attempts as (
    select
        h.tenant_id,
        max(h.created_on) filter (where h.status = 'failed' and h.created_on <= t.on_day) as last_failed_on,
        arg_max(coalesce(h.failure_message, h.decline_code, h.failure_code), h.created_at) filter (
            where h.status = 'failed' and h.created_on <= t.on_day
        ) as last_failure,
        arg_max(concat_ws(' ', h.card_brand, '…' || h.card_last4), h.created_at) filter (where h.card_last4 is not null) as card
    from charges as h
    inner join chosen as t on h.tenant_id = t.tenant_id
    group by h.tenant_id
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
    d.ean_number,
    d.order_reference,
    d.language,
    d.note,
    p.customer_ids,
    coalesce(p.customers_count, 0) as customers_count,
    coalesce(p.is_delinquent, false) as is_delinquent,
    ['unpaid', 'past_due', 'paused', 'trialing', 'active'][r.worst] as status,
    coalesce(r.subscriptions_count, 0) as subscriptions_count,
    s.products,
    r.collection_method,
    r.trial_end_on,
    s.period_end_on,
    r.cancel_on,
    coalesce(u.units_count, 0) as units_count,
    coalesce(u.peak_units_count, 0) as peak_units_count,
    coalesce(u.units_year_ago_count, 0) as units_year_ago_count,
    u.next_move_on,
    coalesce(l.committed_minor, 0) as committed_minor,
    coalesce(m.usage_minor, 0) as usage_minor,
    coalesce(f.invoiced_minor, 0) as invoiced_minor,
    coalesce(f.credited_minor, 0) as credited_minor,
    coalesce(f.collected_minor, 0) as collected_minor,
    coalesce(f.refunded_minor, 0) as refunded_minor,
    coalesce(f.invoiced_year_minor, 0) as invoiced_year_minor,
    coalesce(f.collected_year_minor, 0) as collected_year_minor,
    coalesce(o.open_minor, 0) as open_minor,
    coalesce(o.past_due_minor, 0) as past_due_minor,
    o.past_due_since_on,
    coalesce(o.open_invoices_count, 0) as open_invoices_count,
    cast(coalesce(p.credit_minor, 0) as bigint) as credit_minor,
    f.last_invoiced_on,
    f.last_paid_on,
    a.last_failed_on,
    a.last_failure,
    a.card,
    f.other_currencies
from chosen as t
left join tenant_details as d on t.tenant_id = d.tenant_id
left join people as p on t.tenant_id = p.tenant_id
left join running as r on t.tenant_id = r.tenant_id
left join sold as s on t.tenant_id = s.tenant_id
left join units as u on t.tenant_id = u.tenant_id
left join licensed as l on t.tenant_id = l.tenant_id
left join metered as m on t.tenant_id = m.tenant_id
left join flows as f on t.tenant_id = f.tenant_id
left join receivables as o on t.tenant_id = o.tenant_id
left join attempts as a on t.tenant_id = a.tenant_id
order by t.tenant_id
