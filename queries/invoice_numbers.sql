-- title: Invoice numbers
-- purpose: The sequence of invoice numbers, series by series, as runs without a hole and the gaps between them; a series is what stands before
--   the last digits of a number. Voided invoices keep their number and are no gap. A number that two invoices have is a run of its own, called
--   duplicate; finalized invoices without a number that ends in digits are one run called unnumbered. A series begins at its lowest number: only
--   one that begins above 1 says so, as a gap at its beginning, when it has more than one number.
-- grain: prefix, kind, first_number
-- params: as_of
-- sources: invoices
-- permission: reports.read
-- columns:
--   prefix | varchar | text | What stands before the digits.
--   kind | varchar | text | issued, gap, duplicate or unnumbered.
--   first_number | bigint | count | First number of the run.
--   last_number | bigint | count | Last number of the run.
--   numbers_count | bigint | count | Numbers in it; invoices for duplicate and unnumbered.
--   first_on | date | date | When its first invoice was finalized; for a gap the invoice before it.
--   last_on | date | date | When its last invoice was finalized; for a gap the invoice after it.
with numbered as (
    select
        prefix,
        sequence_number,
        finalized_on
    from invoice_sequence
    where in_window(finalized_on, null, null, $as_of) and sequence_number is not null
),

numbers as (
    select
        prefix,
        sequence_number,
        min(finalized_on) as finalized_on,
        count(*) as invoices_count
    from numbered
    group by prefix, sequence_number
),

compared as (
    select
        *,
        lag(sequence_number) over w as last_number,
        lag(finalized_on) over w as last_on,
        count(*) over (partition by prefix) as series_count,
        sequence_number - row_number() over w as island
    from numbers
    window w as (partition by prefix order by sequence_number)
),

runs as (
    select
        prefix,
        'issued' as kind,
        min(sequence_number) as first_number,
        max(sequence_number) as last_number,
        count(*) as numbers_count,
        arg_min(finalized_on, sequence_number) as first_on,
        arg_max(finalized_on, sequence_number) as last_on
    from compared
    group by prefix, island
    union all
    select
        prefix,
        'gap' as kind,
        coalesce(last_number, 0) + 1 as first_number,
        sequence_number - 1 as last_number,
        sequence_number - coalesce(last_number, 0) - 1 as numbers_count,
        last_on as first_on,
        finalized_on as last_on
    from compared
    where sequence_number - coalesce(last_number, 0) > 1 and (last_number is not null or series_count > 1)
    union all
    select
        prefix,
        'duplicate' as kind,
        sequence_number as first_number,
        sequence_number as last_number,
        invoices_count as numbers_count,
        finalized_on as first_on,
        finalized_on as last_on
    from numbers
    where invoices_count > 1
    union all
    select
        null as prefix,
        'unnumbered' as kind,
        null as first_number,
        null as last_number,
        count(*) as numbers_count,
        min(finalized_on) as first_on,
        max(finalized_on) as last_on
    from invoice_sequence
    where in_window(finalized_on, null, null, $as_of) and sequence_number is null
    having count(*) > 0
)

select
    prefix,
    kind,
    cast(first_number as bigint) as first_number,
    cast(last_number as bigint) as last_number,
    cast(numbers_count as bigint) as numbers_count,
    first_on,
    last_on
from runs
order by prefix nulls last, first_number, kind
