-- title: Exchange rates
-- purpose: The rates that were imported, by day. One unit of the base currency is so many units of the quote currency, from that day on until
--   there is a later rate. Amounts are shown in a reporting currency by the latest rate on or before their day, in either direction.
-- grain: rate_on, base_currency, quote_currency
-- params: from_date, to_date, as_of
-- sources: fx_rates
-- permission: reports.read
-- columns:
--   rate_on | date | date | The day from which the rate counts.
--   base_currency | varchar | text | ISO code, lower case, of the currency that is one unit.
--   quote_currency | varchar | text | ISO code, lower case, of the currency that the rate is in.
--   rate | decimal(24,12) | quantity | Units of the quote currency for one unit of the base currency.
select
    rate_on,
    base_currency,
    quote_currency,
    rate
from fx_rates
where in_window(rate_on, $from_date, $to_date, $as_of)
order by rate_on, base_currency, quote_currency
