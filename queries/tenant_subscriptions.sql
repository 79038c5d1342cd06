-- title: Subscriptions and their items
-- purpose: Every subscription with its items as they stand, ended ones too: what is sold, at which price, in which period, and what is about
--   to happen (a trial's end, a cancellation, a pause). A price in tiers has no price per unit here. Imported subscriptions have one row
--   without an item. An end date is the first day on which the subscription no longer runs.
-- grain: subscription_id, subscription_item_id
-- params: tenant_id, currency
-- sources: subscriptions, subscription_items, prices, products, tenants
-- permission: reports.read
-- columns:
--   subscription_id | varchar | id | The subscription.
--   subscription_item_id | varchar | id | The item; empty when the subscription has none.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   tenant_name | varchar | text | Its name.
--   customer_id | varchar | id | The Stripe customer.
--   status | varchar | text | As Stripe says.
--   is_paused | boolean | yes/no | Collection is paused.
--   product_name | varchar | text | What is sold.
--   price_id | varchar | id | The price.
--   usage_type | varchar | text | licensed or metered.
--   quantity | decimal(20,6) | quantity | Of a licensed item.
--   unit_amount_decimal | decimal(24,12) | minor units | Price per unit and period, with Stripe's decimals; empty for tiers.
--   currency | varchar | text | ISO code, lower case.
--   interval | varchar | text | day, week, month or year.
--   interval_count | integer | count | How many of them make a period.
--   period_start_on | date | date | First day of the running period.
--   period_end_on | date | date | The day the next one begins.
--   started_on | date | date | Since when the subscription runs.
--   trial_end_on | date | date | First day after the trial.
--   cancel_on | date | date | When it will be cancelled, if that is known.
--   ended_on | date | date | First day on which it no longer runs.
--   collection_method | varchar | text | charge_automatically or send_invoice.
select
    s.subscription_id,
    i.subscription_item_id,
    s.tenant_id,
    t.name as tenant_name,
    s.customer_id,
    s.status,
    s.pause_behavior is not null as is_paused,
    p.name as product_name,
    i.price_id,
    r.usage_type,
    i.quantity,
    r.unit_amount_decimal,
    s.currency,
    r.interval,
    r.interval_count,
    local_date(i.current_period_start_at) as period_start_on,
    local_date(i.current_period_end_at) as period_end_on,
    local_date(s.started_at) as started_on,
    local_date(s.trial_end_at) as trial_end_on,
    case
        when s.ended_at is not null then null
        else local_date(coalesce(s.cancel_at, case when s.is_cancel_at_period_end then i.current_period_end_at end))
    end as cancel_on,
    local_date(s.ended_at) as ended_on,
    s.collection_method
from subscriptions as s
left join subscription_items as i on s.subscription_id = i.subscription_id and not i.is_deleted
left join prices as r on i.price_id = r.price_id
left join products as p on coalesce(i.product_id, r.product_id) = p.product_id
left join tenants as t on s.tenant_id = t.tenant_id
where matches(s.tenant_id, $tenant_id) and matches(s.currency, $currency)
order by s.ended_at is not null, s.started_at, s.subscription_id, i.subscription_item_id
