-- title: Recurring revenue per tenant
-- purpose: Monthly recurring revenue at each month's end (the running month: today or the as-of day), in minor units without tax, rounded once per
--   cell. Committed: licensed items of subscriptions that are active or past due, brought to a month (a year is divided by 12, a week is 52/12, a day
--   365/12 of a month, each by the interval count), after discounts that last for ever. Usage: what metered items billed for their last finalized
--   period, after credits. Trial, paused and left out (unpaid, incomplete) are shown apart and are in no total. An end date is exclusive: what
--   ends on the last day of a month is not in it. Tenants with nothing have no row; customers without a tenant are one row without a tenant.
-- grain: month, tenant_id, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: mrr_spans, mrr_usage_spans, tenants
-- permission: reports.read
-- converted_on: month
-- columns:
--   month | date | month | First day of the month.
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   currency | varchar | text | ISO code, lower case.
--   committed_minor | bigint | minor units | Licensed, running, after forever discounts.
--   usage_minor | bigint | minor units | Metered, last finalized period.
--   trial_minor | bigint | minor units | Licensed, on trial.
--   paused_minor | bigint | minor units | Licensed, collection paused.
--   left_out_minor | bigint | minor units | Licensed, unpaid or incomplete.
--   as_billed_minor | bigint | minor units | Committed after all discounts, also those that end.
--   tenant_name | varchar | text | Its name.
select
    m.month,
    m.tenant_id,
    m.currency,
    m.committed_minor,
    m.usage_minor,
    m.trial_minor,
    m.paused_minor,
    m.left_out_minor,
    m.as_billed_minor,
    t.name as tenant_name
from mrr_by_month(coalesce(cast($as_of as date), $today)) as m
left join tenants as t on m.tenant_id = t.tenant_id
where
    in_window(m.month, month_of(cast($from_date as date)), $to_date, null)
    and matches(m.tenant_id, $tenant_id)
    and matches(m.currency, $currency)
    and (
        m.committed_minor <> 0 or m.usage_minor <> 0 or m.trial_minor <> 0 or m.paused_minor <> 0
        or m.left_out_minor <> 0 or m.as_billed_minor <> 0
    )
order by m.month, m.tenant_id nulls last, m.currency
