-- What each metered item billed for its last finalized period, brought to a month, as spans of days [from_on, to_on): from the day the invoice was
-- finalized until the item's next one, the voiding of the invoice or the end of the subscription. Without tax, after discounts and credits.
-- `scaled` ÷ `scale` is the exact amount, as in mrr_spans.
-- grain: subscription_item_id, from_on, invoice_id
-- sources: invoice_lines, invoices, credit_notes, credit_note_lines, prices, subscriptions
with lines as (
    select
        l.subscription_item_id,
        i.invoice_id,
        any_value(coalesce(l.tenant_id, i.tenant_id)) as tenant_id,
        any_value(l.currency) as currency,
        any_value(i.finalized_on) as finalized_on,
        any_value(least(i.void_on, local_date(s.ended_at))) as ended_on,
        sum(l.amount_minor - l.discount_minor) as net_minor,
        any_value(per_month_numerator(coalesce(p.interval, 'month'))) as numerator,
        any_value(cast(per_month_denominator(coalesce(p.interval, 'month'), coalesce(p.interval_count, 1)) as hugeint)) as denominator
    from invoice_lines as l
    inner join invoice_facts as i on l.invoice_id = i.invoice_id
    left join prices as p on l.price_id = p.price_id
    left join subscriptions as s on l.subscription_id = s.subscription_id
    where l.usage_type = 'metered' and l.subscription_item_id is not null and i.finalized_on is not null
    group by l.subscription_item_id, i.invoice_id
),

placed as (
    select
        *,
        lead(finalized_on) over (partition by subscription_item_id order by finalized_on, invoice_id) as next_on
    from lines
),

movements as (
    select
        subscription_item_id,
        invoice_id,
        finalized_on as moved_on,
        net_minor as amount_minor
    from lines
    union all
    select
        l.subscription_item_id,
        l.invoice_id,
        greatest(c.issued_on, i.finalized_on) as moved_on,
        coalesce(n.discount_minor, 0) - n.amount_minor as amount_minor
    from credit_note_lines as n
    inner join credit_notes as c on n.credit_note_id = c.credit_note_id
    inner join invoice_lines as l on n.invoice_line_id = l.invoice_line_id
    inner join invoice_facts as i on l.invoice_id = i.invoice_id
    where
        l.usage_type = 'metered' and l.subscription_item_id is not null and i.finalized_on is not null and c.status <> 'void'
),

by_day as (
    select
        subscription_item_id,
        invoice_id,
        moved_on,
        sum(amount_minor) as amount_minor
    from movements
    group by subscription_item_id, invoice_id, moved_on
),

running as (
    select
        subscription_item_id,
        invoice_id,
        moved_on as from_on,
        lead(moved_on) over w as changed_on,
        sum(amount_minor) over w as net_minor
    from by_day
    window w as (partition by subscription_item_id, invoice_id order by moved_on)
),

scales as (
    select common_multiple(list(distinct denominator)) as scale
    from lines
)

select
    p.subscription_item_id,
    p.invoice_id,
    p.tenant_id,
    p.currency,
    r.from_on,
    least(r.changed_on, p.next_on, p.ended_on) as to_on,
    cast(r.net_minor as hugeint) * p.numerator * (s.scale // p.denominator) as scaled,
    s.scale
from running as r
inner join placed as p on r.subscription_item_id = p.subscription_item_id and r.invoice_id = p.invoice_id
cross join scales as s
where least(r.changed_on, p.next_on, p.ended_on) is null or least(r.changed_on, p.next_on, p.ended_on) > r.from_on
order by r.from_on, p.subscription_item_id, p.invoice_id
