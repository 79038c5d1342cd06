-- title: Why revenue changed
-- purpose: Each tenant's net invoiced revenue of a month against the month before, without tax, taken apart so that the parts add up exactly.
--   Units is the change of quantities on lines that are sold per unit or by usage, at the average price of the month before (all of it when there
--   was nothing before). Price is the rest of the change on those lines. Flat is the change of flat fees, discount that of the discounts on these
--   lines (less discount is positive). Other is prorations, lines that name no recurring price, credit notes and voidings. Both months are by the
--   day of the invoice or credit note, so the total equals the change of net in "Revenue per tenant". The first month of a tenant is all new; the
--   month after its last one is all gone, once that month has begun.
-- grain: tenant_id, month, currency
-- params: from_date, to_date, as_of, today, tenant_id, currency
-- sources: revenue_items, tenants
-- permission: reports.read
-- columns:
--   tenant_id | varchar | id | The tenant; empty when the customer belongs to none.
--   month | date | month | The month that is compared with the one before.
--   currency | varchar | text | ISO code, lower case.
--   units_minor | bigint | minor units | Because there were more or fewer units.
--   price_minor | bigint | minor units | Because a unit cost more or less.
--   flat_minor | bigint | minor units | Because of flat fees.
--   discount_minor | bigint | minor units | Because of discounts.
--   other_minor | bigint | minor units | Everything else.
--   total_change_minor | bigint | minor units | The sum of the parts.
--   before_minor | bigint | minor units | Net revenue of the month before.
--   net_minor | bigint | minor units | Net revenue of the month.
--   tenant_name | varchar | text | Its name.
select
    b.tenant_id,
    b.month,
    b.currency,
    sum_minor(b.units_minor) as units_minor,
    sum_minor(b.price_minor) as price_minor,
    sum_minor(b.flat_minor) as flat_minor,
    sum_minor(b.discount_minor) as discount_minor,
    sum_minor(b.other_minor) as other_minor,
    sum_minor(b.total_change_minor) as total_change_minor,
    sum_minor(case when b.month > b.booked_month then -b.total_change_minor else 0 end) as before_minor,
    sum_minor(case when b.month = b.booked_month then b.total_change_minor else 0 end) as net_minor,
    any_value(t.name) as tenant_name
from bridge_items($as_of, $tenant_id, $currency) as b
left join tenants as t on b.tenant_id = t.tenant_id
where
    in_window(b.month, month_of(cast($from_date as date)), $to_date, null)
    and b.month <= reached_on($as_of, $today)
group by b.tenant_id, b.month, b.currency
order by b.tenant_id nulls last, b.month, b.currency
