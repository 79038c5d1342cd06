-- title: Unusual months
-- purpose: Months in which a tenant used much more or much less than its own months before suggest. For units_peak and each recorded metric: expected
--   is the median of the three months before, plus the median of how much the (up to) twelve months before differed from the same expectation.
--   The range around it is 3.5 × 1.4826 × the median absolute deviation of those differences (the robust z-score of Iglewicz and Hoaglin), at least
--   a tenth of the expectation, and for units at least 2. Whole months outside the range are listed; the month that is not over when what it has so
--   far is already above. With fewer than six such differences (nine whole months) nothing is judged; seasons are not known to the rule. Money is
--   what the units make more or less than expected at the tenant's price per unit on the last day counted, per month, before discounts and tax;
--   empty without a price per unit or with several. The currency filter chooses tenants by their own currency.
-- grain: tenant_id, month, kind, metric
-- params: from_date, to_date, as_of, today, tenant_id, currency, kind=, metric=
-- sources: unit_spans, usage_aggregates, metrics, item_price_spans, tenants
-- permission: reports.read
-- converted_on: until_on
-- columns:
--   tenant_id | varchar | id | The tenant.
--   tenant_name | varchar | text | Its name.
--   month | date | month | First day of the month.
--   kind | varchar | text | units or usage.
--   metric | varchar | text | units_peak, or what was measured.
--   direction | varchar | text | above or below what was expected.
--   observed_quantity | decimal(38,6) | quantity | What it was.
--   expected_quantity | decimal(38,6) | quantity | What was expected.
--   low_quantity | decimal(38,6) | quantity | Lower end of the expected range.
--   high_quantity | decimal(38,6) | quantity | Upper end of the expected range.
--   difference_quantity | decimal(38,6) | quantity | Observed less expected.
--   beyond_quantity | decimal(38,6) | quantity | How far outside the range, with the sign of the difference.
--   score_ratio | decimal(18,6) | ratio | The difference as a multiple of the range's half width; over 1 is unusual.
--   currency | varchar | text | Currency of the money, lower case.
--   difference_minor | bigint | minor units | What the difference is worth per month.
--   history_count | bigint | count | Months that the range was made from.
--   is_complete | boolean | yes/no | Whether the month is covered to its end.
--   until_on | date | date | Last day counted.
--   unit | varchar | text | The metric's unit.
with cells as (
    select
        *,
        case when is_complete then amount_micro end as whole_micro
    from usage_cells(cast($from_date as date) - interval 16 month, coalesce(cast($as_of as date), $today), $tenant_id, $currency)
    where
        metric <> 'units_days'
        and matches(kind, nullif($kind, ''))
        and matches(metric, nullif($metric, ''))
),

levelled as (
    select
        *,
        list_sort(list(whole_micro) filter (where whole_micro is not null) over before) as last_three
    from cells
    window before as (partition by tenant_id, kind, metric order by month rows between 3 preceding and 1 preceding)
),

-- The middle one of three is their median.
differing as (
    select
        *,
        last_three[2] as level_micro,
        whole_micro - last_three[2] as difference_micro
    from levelled
    where len(last_three) = 3
),

remembered as (
    select
        *,
        list_sort(list(difference_micro) filter (where difference_micro is not null) over before) as differences
    from differing
    window before as (
        partition by tenant_id, kind, metric order by month range between interval 12 month preceding and interval 1 month preceding
    )
),

drifting as (
    select
        *,
        middle(differences) as drift_micro
    from remembered
    where amount_micro is not null and len(differences) >= 6
),

expected as (
    select
        *,
        level_micro + drift_micro as expected_micro,
        list_sort(list_transform(differences, lambda d: abs(d - drift_micro))) as deviations
    from drifting
),

scaled as (
    select
        *,
        middle(deviations) * 51891 as spread_scaled,
        abs(expected_micro) as size_micro
    from expected
),

tolerated as (
    select
        *,
        greatest(
            divide_whole(spread_scaled, 10000),
            divide_whole(size_micro, 10),
            case kind when 'units' then 2000000 when 'usage' then 1 else error('unknown kind') end
        ) as tolerance_micro
    from scaled
),

judged as (
    select
        *,
        case when expected_micro < 0 then expected_micro - tolerance_micro else greatest(expected_micro - tolerance_micro, 0) end as low_micro,
        expected_micro + tolerance_micro as high_micro
    from tolerated
),

found as (
    select *
    from judged
    where
        (amount_micro > high_micro or (is_complete and amount_micro < low_micro))
        and in_window(month, month_of(cast($from_date as date)), $to_date, null)
),

prices as (
    select
        f.tenant_id,
        f.month,
        any_value(p.currency) as currency,
        any_value(p.ladder) as ladder,
        any_value(p.per_month) as per_month,
        any_value(p.divisor) as divisor
    from found as f
    inner join item_price_spans as p
        on f.tenant_id = p.tenant_id and p.from_on <= f.until_on and (p.to_on is null or p.to_on > f.until_on)
    where f.kind = 'units' and p.kind in ('metered', 'licensed')
    group by f.tenant_id, f.month
    having count(*) = 1
),

worth as (
    select
        f.* exclude (difference_micro),
        f.amount_micro - f.expected_micro as difference_micro,
        abs(f.amount_micro - f.expected_micro) as distance_micro,
        f.amount_micro > f.high_micro as is_above,
        f.amount_micro // 1000000 as observed_count,
        greatest(cast(from_micro(f.expected_micro) as hugeint), 0) as expected_count,
        p.currency,
        p.ladder,
        p.per_month,
        p.divisor
    from found as f
    left join prices as p on f.tenant_id = p.tenant_id and f.month = p.month and f.kind = 'units'
),

priced as (
    select
        *,
        period_scaled(observed_count, ladder) * per_month as observed_scaled,
        period_scaled(expected_count, ladder) * per_month as expected_scaled
    from worth
)

select
    f.tenant_id,
    t.name as tenant_name,
    f.month,
    f.kind,
    f.metric,
    case when f.is_above then 'above' else 'below' end as direction,
    from_micro(f.amount_micro) as observed_quantity,
    from_micro(f.expected_micro) as expected_quantity,
    from_micro(f.low_micro) as low_quantity,
    from_micro(f.high_micro) as high_quantity,
    from_micro(f.difference_micro) as difference_quantity,
    from_micro(f.amount_micro - case when f.is_above then f.high_micro else f.low_micro end) as beyond_quantity,
    ratio(f.distance_micro, f.tolerance_micro) as score_ratio,
    coalesce(f.currency, t.currency) as currency,
    divide_minor(f.observed_scaled, f.divisor) - divide_minor(f.expected_scaled, f.divisor) as difference_minor,
    len(f.differences) as history_count,
    f.is_complete,
    f.until_on,
    case f.kind when 'units' then 'units' else m.unit end as unit
from priced as f
left join tenants as t on f.tenant_id = t.tenant_id
left join metrics as m on f.kind = 'usage' and f.metric = m.metric
order by f.month desc, score_ratio desc, f.tenant_id, f.kind, f.metric
