-- title: Recurring revenue, movements
-- purpose: How monthly recurring revenue moved, by the rules of "Recurring revenue per tenant" (basis committed; as_billed or total on request).
--   Per tenant and currency a month compares its end with the end of the month before: new is revenue of a tenant that never had any at a month end,
--   reactivation of one that had some earlier and none at the last month end, churn its complete loss, expansion and contraction any other change. A
--   second subscription of a tenant is expansion. All columns are positive: opening + new + reactivation + expansion − contraction − churn =
--   closing, exactly. The range chooses months; what came before still tells new from reactivation.
-- grain: month, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency, basis=committed
-- sources: mrr_spans, mrr_usage_spans
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month.
--   currency | varchar | text | ISO code, lower case.
--   opening_minor | bigint | minor units | At the end of the month before.
--   new_minor | bigint | minor units | Of tenants that never had any.
--   reactivation_minor | bigint | minor units | Of tenants that came back.
--   expansion_minor | bigint | minor units | More of tenants that had some.
--   contraction_minor | bigint | minor units | Less of tenants that keep some.
--   churn_minor | bigint | minor units | Of tenants that lost all.
--   closing_minor | bigint | minor units | At the end of the month.
--   tenants_count | bigint | count | Tenants with recurring revenue at the end.
select
    month,
    currency,
    sum_minor(opening_minor) as opening_minor,
    sum_minor(case when kind = 'new' then change_minor else 0 end) as new_minor,
    sum_minor(case when kind = 'reactivation' then change_minor else 0 end) as reactivation_minor,
    sum_minor(case when kind = 'expansion' then change_minor else 0 end) as expansion_minor,
    sum_minor(case when kind = 'contraction' then -change_minor else 0 end) as contraction_minor,
    sum_minor(case when kind = 'churn' then -change_minor else 0 end) as churn_minor,
    sum_minor(closing_minor) as closing_minor,
    count(*) filter (where closing_minor > 0) as tenants_count
from mrr_moves(coalesce(cast($as_of as date), $today), $basis)
where
    in_window(month, month_of(cast($from_date as date)), $to_date, null)
    and matches(tenant_id, $tenant_id)
    and matches(currency, $currency)
group by month, currency
order by month, currency
