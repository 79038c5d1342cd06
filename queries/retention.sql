-- title: Retention
-- purpose: From the movements of recurring revenue, over the tenants that had some at the end of the month before. GRR is what is left of their
--   revenue without any growth, the sum of the smaller of opening and closing ÷ opening, at most 1. NRR is their closing ÷ their opening. Logo
--   churn is the tenants that lost all ÷ the tenants at the start. Quick ratio is (new + reactivation + expansion) ÷ (contraction + churn). A
--   ratio without anything to divide by is empty, which means not applicable.
-- grain: month, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency, basis=committed
-- sources: mrr_spans, mrr_usage_spans
-- permission: reports.read
-- columns:
--   month | date | month | First day of the month.
--   currency | varchar | text | ISO code, lower case.
--   grr_ratio | decimal(18,6) | ratio | Gross revenue retention.
--   nrr_ratio | decimal(18,6) | ratio | Net revenue retention.
--   logo_churn_ratio | decimal(18,6) | ratio | Tenants lost of those at the start.
--   quick_ratio | decimal(18,6) | ratio | Growth over loss.
--   tenants_start_count | bigint | count | Tenants with recurring revenue at the start.
--   tenants_lost_count | bigint | count | Of them lost.
with months as (
    select
        month,
        currency,
        sum_minor(opening_minor) as opening_minor,
        sum_minor(least(opening_minor, greatest(closing_minor, 0))) as kept_minor,
        sum_minor(case when opening_minor > 0 then closing_minor else 0 end) as retained_minor,
        sum_minor(case when kind in ('new', 'reactivation', 'expansion') then change_minor else 0 end) as gained_minor,
        sum_minor(case when kind in ('contraction', 'churn') then -change_minor else 0 end) as lost_minor,
        count(*) filter (where opening_minor > 0) as tenants_start_count,
        count(*) filter (where kind = 'churn') as tenants_lost_count
    from mrr_moves(coalesce(cast($as_of as date), $today), $basis)
    where
        in_window(month, month_of(cast($from_date as date)), $to_date, null)
        and matches(tenant_id, $tenant_id)
        and matches(currency, $currency)
    group by month, currency
)

select
    month,
    currency,
    ratio(kept_minor, opening_minor) as grr_ratio,
    ratio(retained_minor, opening_minor) as nrr_ratio,
    ratio(tenants_lost_count, tenants_start_count) as logo_churn_ratio,
    ratio(gained_minor, lost_minor) as quick_ratio,
    tenants_start_count,
    tenants_lost_count
from months
order by month, currency
