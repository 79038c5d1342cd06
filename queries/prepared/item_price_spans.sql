-- What a subscription's items charge, as spans of days [from_on, to_on); to_on is null while it runs. Only what bills: active, past due, on trial,
-- and not paused. kind: metered (the units of a period, in arrears), licensed (per unit, in advance), fixed (a flat fee, or a price without a role).
-- `ladder` is the price as steps in rising order: up to and including `up_to` units a period costs base + (units - from_count) × unit, in minor units
-- × 10^12, so that all are whole. Graduated: each unit at its own tier's price and each reached tier's flat amount, the first always; volume: all
-- units at the price of the tier that the quantity falls into. × `per_month` ÷ `divisor` makes minor units per month of it.
-- A billing period is step_months and step_days long.
-- grain: version_id
-- sources: subscription_item_versions, subscriptions, prices, price_tiers
with tiers as (
    select
        t.price_id,
        p.tiers_mode,
        row_number() over tiers as step,
        row_number() over (partition by t.price_id order by t.tier_index desc) = 1 as is_last,
        cast(coalesce(lag(t.up_to) over tiers, 0) as hugeint) as floor_count,
        cast(t.up_to as hugeint) as up_to,
        cast(coalesce(t.unit_amount_decimal, 0) * 1000000000000 as hugeint) as unit,
        cast(coalesce(t.flat_amount_decimal, 0) * 1000000000000 as hugeint) as flat
    from price_tiers as t
    inner join prices as p on t.price_id = p.price_id
    window tiers as (partition by t.price_id order by t.tier_index)
),

summed as (
    select
        *,
        sum(flat) over reached + coalesce(sum((up_to - floor_count) * unit) over below, 0) as graduated_base
    from tiers
    window
        reached as (partition by price_id order by step),
        below as (partition by price_id order by step rows between unbounded preceding and 1 preceding)
),

steps as (
    select
        price_id,
        step,
        case when is_last and tiers_mode = 'volume' then null else up_to end as up_to,
        case tiers_mode
            when 'volume' then 0
            when 'graduated' then floor_count
            else error('unknown tiers mode')
        end as from_count,
        cast(case when tiers_mode = 'volume' then flat else graduated_base end as hugeint) as base,
        unit
    from summed
    union all
    -- Beyond a last tier that has an end nothing more is charged.
    select
        price_id,
        step + 1 as step,
        null as up_to,
        up_to as from_count,
        cast(graduated_base + (up_to - floor_count) * unit as hugeint) as base,
        0 as unit
    from summed
    where is_last and up_to is not null and tiers_mode = 'graduated'
),

ladders as (
    select
        price_id,
        list(
            struct_pack(
                up_to := coalesce(up_to, cast(1000000000000000000 as hugeint)), from_count := from_count, base := base, unit := unit
            ) order by step
        ) as ladder
    from steps
    group by price_id
)

select
    v.version_id,
    coalesce(v.tenant_id, s.tenant_id) as tenant_id,
    v.subscription_id,
    v.subscription_item_id,
    v.price_id,
    v.product,
    v.currency,
    v.status,
    coalesce(v.is_trial or v.status = 'trialing', false) as is_trial,
    case
        when v.usage_type = 'metered' then 'metered'
        when p.role is null or p.role = 'flat' then 'fixed'
        else 'licensed'
    end as kind,
    case v.interval when 'month' then 1 when 'year' then 12 else 0 end * coalesce(v.interval_count, 1) as step_months,
    case v.interval when 'week' then 7 when 'day' then 1 else 0 end * coalesce(v.interval_count, 1) as step_days,
    v.quantity,
    v.period_amount_minor,
    coalesce(
        l.ladder,
        [
            struct_pack(
                up_to := cast(1000000000000000000 as hugeint),
                from_count := cast(0 as hugeint),
                base := cast(0 as hugeint),
                unit := cast(coalesce(p.unit_amount_decimal, v.unit_amount_decimal, 0) * 1000000000000 as hugeint)
            )
        ]
    ) as ladder,
    per_month_numerator(v.interval) as per_month,
    cast(1000000000000 as hugeint) * per_month_denominator(v.interval, coalesce(v.interval_count, 1)) as divisor,
    v.valid_from_on as from_on,
    v.valid_to_on as to_on
from subscription_item_versions as v
left join subscriptions as s on v.subscription_id = s.subscription_id
left join prices as p on v.price_id = p.price_id
left join ladders as l on v.price_id = l.price_id
where
    v.status in ('active', 'past_due', 'trialing')
    and not v.is_paused
    and (v.valid_to_on is null or v.valid_to_on > v.valid_from_on)
order by v.valid_from_on, v.version_id
