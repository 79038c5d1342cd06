-- What each licensed item is worth per month, as spans of days [from_on, to_on); to_on is null while it runs. Without tax, after forever discounts.
-- `scaled` ÷ `scale` is the exact monthly amount in minor units: all rows share one scale, so that sums are exact and rounded once, later.
-- grain: version_id
-- sources: subscription_item_versions, subscriptions
with versions as (
    select
        v.version_id,
        coalesce(v.tenant_id, s.tenant_id) as tenant_id,
        v.subscription_id,
        v.subscription_item_id,
        v.product,
        v.currency,
        v.valid_from_on as from_on,
        v.valid_to_on as to_on,
        v.quantity,
        v.period_amount_minor - v.forever_discount_minor as net_minor,
        v.other_discount_minor,
        per_month_numerator(v.interval) as numerator,
        cast(per_month_denominator(v.interval, coalesce(v.interval_count, 1)) as hugeint) as denominator,
        case
            when v.is_trial or v.status = 'trialing' then 'trial'
            when v.is_paused or v.status = 'paused' then 'paused'
            when v.status in ('active', 'past_due') then 'committed'
            else 'left_out'
        end as category
    from subscription_item_versions as v
    left join subscriptions as s on v.subscription_id = s.subscription_id
    where v.usage_type = 'licensed' and v.status not in ('canceled', 'incomplete_expired')
),

scales as (
    select common_multiple(list(distinct denominator)) as scale
    from versions
)

select
    v.version_id,
    v.tenant_id,
    v.subscription_id,
    v.subscription_item_id,
    v.product,
    v.currency,
    v.category,
    v.from_on,
    v.to_on,
    v.quantity,
    cast(v.net_minor as hugeint) * v.numerator * (s.scale // v.denominator) as scaled,
    cast(v.net_minor - v.other_discount_minor as hugeint) * v.numerator * (s.scale // v.denominator) as as_billed_scaled,
    s.scale
from versions as v
cross join scales as s
where v.to_on is null or v.to_on > v.from_on
order by v.from_on, v.version_id
