-- title: Forecast of the running period
-- purpose: What each tenant's running billing period has come to, where it is likely to end, and what that costs. One row per item of a running
--   subscription (its period as Stripe counts it), per recorded metric (the calendar month), and for the units of a tenant without a price per unit
--   (the calendar month). metered: the peak of units, billed when the period ends; it is the highest of the peak so far, what move-ins and move-outs
--   that are already known will make of it, and the peak so far plus the median rise that followed at this point in earlier periods. licensed: the
--   units at the period's end, which the next invoice bills in advance, by the moves that are known. fixed: fees that do not depend on units. usage:
--   what is added up grows by its average of the last 28 days for each day that is left; a level stays as it is. The range from low to high is
--   where eight of ten earlier periods, up to twelve, would have ended from here; it is empty with fewer than six. Money is by the item's price,
--   before discounts and tax; a metered item on trial costs nothing, recorded metrics have no price. The currency filter is the item's currency, or
--   the tenant's where there is no item.
-- grain: tenant_id, kind, subject_id
-- params: as_of, now, today, tenant_id, currency, kind=
-- sources: item_price_spans, subscriptions, subscription_items, unit_spans, usage_aggregates, metrics, tenants
-- permission: reports.read
-- converted_on: until_on
-- columns:
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   kind | varchar | text | metered, licensed, fixed, units or usage.
--   subject_id | varchar | id | The subscription item, or the metric.
--   period_start_on | date | date | First day of the period.
--   period_end_on | date | date | The day after its last.
--   so_far_quantity | decimal(38,6) | quantity | Peak, units or usage up to now.
--   known_quantity | decimal(38,6) | quantity | With the moves that are known; for the others as so far.
--   expected_quantity | decimal(38,6) | quantity | Where it is likely to end.
--   low_quantity | decimal(38,6) | quantity | Lower end of the range.
--   high_quantity | decimal(38,6) | quantity | Upper end of the range.
--   currency | varchar | text | Currency of the money, lower case.
--   so_far_minor | bigint | minor units | What it costs as it is now.
--   expected_minor | bigint | minor units | What it is likely to cost.
--   low_minor | bigint | minor units | At the lower end.
--   high_minor | bigint | minor units | At the upper end.
--   history_count | bigint | count | Earlier periods that the range was made from.
--   product | varchar | text | The product of the item.
--   status | varchar | text | Status of the subscription.
--   unit | varchar | text | Unit of the quantity.
--   until_on | date | date | Last day counted.
with clock as (
    select
        coalesce(cast($as_of as date), $today) as last_on,
        case
            when $as_of is null then $now
            else
                timezone((select reporting_timezone from warehouse_info), cast(cast($as_of as date) + 1 as timestamp))
                - interval 1 microsecond
        end as instant
),

units as (
    select *
    from unit_forecasts((select instant from clock), (select last_on from clock), $tenant_id, $currency)
),

priced as (
    select
        u.*,
        p.currency,
        p.product,
        p.status,
        case when u.kind = 'fixed' then coalesce(micro(p.quantity), 1000000) end as fixed_quantity,
        list_transform(
            [u.so_far, u.expected, u.low, u.high],
            lambda units: case
                when u.kind = 'fixed' then p.period_amount_minor
                when u.kind = 'metered' and p.is_trial then 0 * units
                else divide_minor(period_scaled(units, p.ladder), 1000000000000)
            end
        ) as amounts
    from units as u
    inner join item_price_spans as p on u.subject_id = p.subscription_item_id
    inner join clock as c on p.from_on <= c.last_on and (p.to_on is null or p.to_on > c.last_on)
    where u.kind <> 'units'
),

final as (
    select
        tenant_id,
        kind,
        subject_id,
        from_on,
        ends_on,
        coalesce(fixed_quantity, so_far * 1000000) as so_far,
        coalesce(fixed_quantity, known * 1000000) as known,
        coalesce(fixed_quantity, expected * 1000000) as expected,
        coalesce(fixed_quantity, low * 1000000) as low,
        coalesce(fixed_quantity, high * 1000000) as high,
        currency,
        product,
        status,
        amounts,
        case when kind = 'fixed' then 0 else history_count end as history_count
    from priced
    union all
    select
        u.tenant_id,
        u.kind,
        u.subject_id,
        u.from_on,
        u.ends_on,
        u.so_far * 1000000 as so_far,
        u.known * 1000000 as known,
        u.expected * 1000000 as expected,
        u.low * 1000000 as low,
        u.high * 1000000 as high,
        t.currency,
        null as product,
        null as status,
        null as amounts,
        u.history_count
    from units as u
    left join tenants as t on u.tenant_id = t.tenant_id
    where u.kind = 'units'
    union all
    select
        u.tenant_id,
        'usage' as kind,
        u.metric as subject_id,
        u.from_on,
        u.ends_on,
        u.so_far,
        u.so_far as known,
        u.expected,
        u.low,
        u.high,
        t.currency,
        null as product,
        null as status,
        null as amounts,
        u.history_count
    from metric_forecasts((select last_on from clock), $tenant_id, $currency) as u
    left join tenants as t on u.tenant_id = t.tenant_id
)

select
    f.tenant_id,
    t.name as tenant_name,
    f.kind,
    f.subject_id,
    f.from_on as period_start_on,
    f.ends_on as period_end_on,
    from_micro(f.so_far) as so_far_quantity,
    from_micro(f.known) as known_quantity,
    from_micro(f.expected) as expected_quantity,
    from_micro(f.low) as low_quantity,
    from_micro(f.high) as high_quantity,
    f.currency,
    f.amounts[1] as so_far_minor,
    f.amounts[2] as expected_minor,
    f.amounts[3] as low_minor,
    f.amounts[4] as high_minor,
    f.history_count,
    coalesce(p.name, f.product) as product,
    f.status,
    case when f.kind = 'usage' then m.unit when f.kind = 'fixed' then null else 'units' end as unit,
    c.last_on as until_on
from final as f
cross join clock as c
left join tenants as t on f.tenant_id = t.tenant_id
left join products as p on f.product = p.product_id
left join metrics as m on f.kind = 'usage' and f.subject_id = m.metric
where matches(f.kind, nullif($kind, ''))
order by f.tenant_id nulls last, f.kind, f.subject_id
