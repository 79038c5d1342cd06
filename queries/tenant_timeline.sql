-- title: Timeline of a tenant
-- purpose: What happened with tenants, newest first, one row per dated event: created, deleted, moves in and out of units, subscriptions begun and
--   ended, trials ended, changes of what is subscribed (price, quantity, status, pause), invoices issued, voided and written off, payments, failed
--   attempts, refunds, credit notes and disputes. Moves that are already known for days to come are marked as ahead, unless an as-of day
--   leaves them out. Amounts include tax and are positive.
-- grain: kind, subject_id, on_date
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: tenants, occupancies, subscriptions, subscription_item_versions, products, invoices, payments, charges, refunds, credit_notes, disputes
-- permission: reports.read
-- converted_on: on_date
-- columns:
--   on_date | date | date | The day.
--   kind | varchar | text | created, deleted, move_in, move_out, invoice, payment, failed_attempt and so on.
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   currency | varchar | text | Currency of the amount, lower case; the tenant's own without one.
--   amount_minor | bigint | minor units | Amount, if any.
--   detail | varchar | text | Unit, number, reason: whatever names it.
--   subject_id | varchar | id | The occupancy, subscription, invoice, payment and so on.
--   invoice_id | varchar | id | The invoice to open, if any.
--   at | timestamp with time zone | instant | The instant, where one is known.
--   is_ahead | boolean | yes/no | Whether the day is after today or the as-of day.
with described as (
    select
        v.version_id,
        v.subscription_id,
        coalesce(v.tenant_id, s.tenant_id) as tenant_id,
        v.currency,
        v.valid_from,
        v.valid_from_on,
        v.status,
        v.quantity,
        v.price_id,
        v.usage_type,
        v.is_paused,
        coalesce(p.name, v.product) as product,
        lag(v.version_id) over item as version_before,
        lag(v.status) over item as status_before,
        lag(v.quantity) over item as quantity_before,
        lag(v.price_id) over item as price_before,
        lag(v.is_paused) over item as was_paused
    from subscription_item_versions as v
    left join subscriptions as s on v.subscription_id = s.subscription_id
    left join products as p on v.product = p.product_id
    window item as (partition by v.subscription_item_id order by v.valid_from)
),

changes as (
    select
        *,
        concat_ws(
            ', ',
            case
                when quantity is distinct from quantity_before
                    then
                        concat_ws(
                            ' ', product, cast(cast(quantity_before as bigint) as varchar) || ' → ' || cast(cast(quantity as bigint) as varchar)
                        )
            end,
            case when price_id is distinct from price_before then concat_ws(' ', product, 'at another price') end,
            case when status <> status_before then replace(status_before, '_', ' ') || ' → ' || replace(status, '_', ' ') end,
            case
                when is_paused and not was_paused then 'collection paused'
                when was_paused and not is_paused then 'collection resumed'
            end
        ) as detail
    from described
    where version_before is not null
),

events as (
    select
        'created' as kind,
        tenant_id as subject_id,
        tenant_id,
        null as currency,
        null as amount_minor,
        local_date(created_at) as on_date,
        created_at as at,
        null as invoice_id,
        null as detail
    from tenants
    union all
    select
        'deleted' as kind,
        tenant_id as subject_id,
        tenant_id,
        null as currency,
        null as amount_minor,
        local_date(deleted_at) as on_date,
        deleted_at as at,
        null as invoice_id,
        null as detail
    from tenants
    where deleted_at is not null
    union all
    select
        'move_in' as kind,
        occupancy_id as subject_id,
        tenant_id,
        null as currency,
        null as amount_minor,
        starts_on as on_date,
        null as at,
        null as invoice_id,
        unit_id as detail
    from occupancies
    where deleted_at is null and (ends_on is null or ends_on > starts_on)
    union all
    select
        'move_out' as kind,
        occupancy_id as subject_id,
        tenant_id,
        null as currency,
        null as amount_minor,
        ends_on as on_date,
        null as at,
        null as invoice_id,
        unit_id as detail
    from occupancies
    where deleted_at is null and ends_on > starts_on
    union all
    select
        'subscription_started' as kind,
        subscription_id as subject_id,
        tenant_id,
        currency,
        null as amount_minor,
        local_date(coalesce(started_at, created_at)) as on_date,
        coalesce(started_at, created_at) as at,
        null as invoice_id,
        null as detail
    from subscriptions
    union all
    select
        'trial_ended' as kind,
        subscription_id as subject_id,
        tenant_id,
        currency,
        null as amount_minor,
        local_date(trial_end_at) as on_date,
        trial_end_at as at,
        null as invoice_id,
        null as detail
    from subscriptions
    where trial_end_at is not null
    union all
    select
        'subscription_ended' as kind,
        subscription_id as subject_id,
        tenant_id,
        currency,
        null as amount_minor,
        local_date(ended_at) as on_date,
        ended_at as at,
        null as invoice_id,
        null as detail
    from subscriptions
    where ended_at is not null
    union all
    select
        'changed' as kind,
        version_id as subject_id,
        tenant_id,
        currency,
        null as amount_minor,
        valid_from_on as on_date,
        valid_from as at,
        null as invoice_id,
        detail
    from changes
    where detail <> ''
    union all
    select
        e.moment.kind,
        e.invoice_id as subject_id,
        e.tenant_id,
        e.currency,
        e.total_minor as amount_minor,
        e.moment.on_date,
        e.moment.at,
        e.invoice_id,
        e.number as detail
    from (
        select
            invoice_id,
            tenant_id,
            currency,
            total_minor,
            number,
            unnest([
                struct_pack(kind := 'invoice', on_date := finalized_on, at := finalized_at),
                struct_pack(kind := 'invoice_voided', on_date := void_on, at := voided_at),
                struct_pack(kind := 'invoice_written_off', on_date := uncollectible_on, at := marked_uncollectible_at)
            ]) as moment
        from invoice_facts
    ) as e
    union all
    select
        p.kind,
        p.subject_id,
        p.tenant_id,
        p.currency,
        p.amount_minor,
        p.on_date,
        null as at,
        p.invoice_id,
        concat_ws(', ', p.method, p.reason) as detail
    from tenant_money as p
    union all
    select
        'credit_note' as kind,
        c.credit_note_id as subject_id,
        coalesce(c.tenant_id, i.tenant_id) as tenant_id,
        c.currency,
        c.total_minor as amount_minor,
        c.issued_on as on_date,
        c.issued_at as at,
        c.invoice_id,
        concat_ws(', ', c.number, coalesce(c.memo, replace(c.reason, '_', ' '))) as detail
    from credit_notes as c
    left join invoices as i on c.invoice_id = i.invoice_id
    union all
    select
        'dispute' as kind,
        d.dispute_id as subject_id,
        d.tenant_id,
        d.currency,
        d.amount_minor,
        d.created_on as on_date,
        d.created_at as at,
        h.invoice_id,
        replace(concat_ws(', ', d.reason, d.status), '_', ' ') as detail
    from disputes as d
    left join charges as h on d.charge_id = h.charge_id
)

select
    e.on_date,
    e.kind,
    e.tenant_id,
    t.name as tenant_name,
    coalesce(e.currency, t.currency) as currency,
    cast(e.amount_minor as bigint) as amount_minor,
    nullif(e.detail, '') as detail,
    e.subject_id,
    e.invoice_id,
    e.at,
    e.on_date > coalesce(cast($as_of as date), $today) as is_ahead
from events as e
left join tenants as t on e.tenant_id = t.tenant_id
where
    e.on_date is not null
    and in_window(e.on_date, $from_date, $to_date, $as_of)
    and matches(e.tenant_id, $tenant_id)
    and matches(coalesce(e.currency, t.currency), $currency)
order by e.on_date desc, e.at desc nulls last, e.kind, e.subject_id
