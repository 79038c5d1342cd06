-- title: Receivables by age
-- purpose: What each tenant owes at the end of the as-of day (today unless told), by whole days past due. Open is what was billed less payments,
--   in or outside Stripe, and credit notes before payment, each counted from its own day, on invoices that are finalized and neither void nor
--   written off on that day; now it is what Stripe calls amount remaining. An invoice without a due day, because it is charged automatically,
--   ages from its finalization and is also shown apart. Amounts include tax. The buckets of a row add up to open.
-- grain: tenant_id, currency
-- params: as_of, today, tenant_id, currency
-- sources: receivable_spans, tenants
-- permission: reports.read
-- converted_on: as_of
-- columns:
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   currency | varchar | text | ISO code, lower case.
--   not_due_minor | bigint | minor units | Due that day or later.
--   d1_30_minor | bigint | minor units | 1 to 30 days past due.
--   d31_60_minor | bigint | minor units | 31 to 60 days.
--   d61_90_minor | bigint | minor units | 61 to 90 days.
--   d91_120_minor | bigint | minor units | 91 to 120 days.
--   over_120_minor | bigint | minor units | More than 120 days.
--   open_minor | bigint | minor units | All of it.
--   no_due_day_minor | bigint | minor units | Of it on invoices without a due day.
--   tenant_name | varchar | text | Its name.
with clock as (
    select coalesce(cast($as_of as date), $today) as on_day
),

aged as (
    select
        s.tenant_id,
        s.currency,
        s.open_minor,
        s.is_due_stated,
        c.on_day - s.due_from_on as days_past_due
    from receivable_spans as s
    inner join clock as c on s.from_on <= c.on_day and (s.to_on is null or s.to_on > c.on_day)
    where matches(s.tenant_id, $tenant_id) and matches(s.currency, $currency)
)

select
    a.tenant_id,
    a.currency,
    sum_minor(case when a.days_past_due <= 0 then a.open_minor else 0 end) as not_due_minor,
    sum_minor(case when a.days_past_due between 1 and 30 then a.open_minor else 0 end) as d1_30_minor,
    sum_minor(case when a.days_past_due between 31 and 60 then a.open_minor else 0 end) as d31_60_minor,
    sum_minor(case when a.days_past_due between 61 and 90 then a.open_minor else 0 end) as d61_90_minor,
    sum_minor(case when a.days_past_due between 91 and 120 then a.open_minor else 0 end) as d91_120_minor,
    sum_minor(case when a.days_past_due > 120 then a.open_minor else 0 end) as over_120_minor,
    sum_minor(a.open_minor) as open_minor,
    sum_minor(case when a.is_due_stated then 0 else a.open_minor end) as no_due_day_minor,
    any_value(t.name) as tenant_name
from aged as a
left join tenants as t on a.tenant_id = t.tenant_id
group by a.tenant_id, a.currency
order by a.tenant_id nulls last, a.currency
