-- Where tenants and occupancies come from: the two views that the product reads, over its own tables.
--
-- To use tables of your own, copy this file, change what follows each `from`, and name the copy in BILLING_SOURCE_SQL; `billing migrate`
-- applies it. Keep the columns, their names, types and order; nothing here is ever written to.
--
--   tenant_id, occupancy_id, unit_id   text, stable for ever, unique where they name the row
--   currency                           lower-case ISO code
--   starts_on, ends_on                 dates in the reporting time zone; ends_on is the first day no longer occupied, null is open
--   created_at, deleted_at             timestamptz
--   chg                                xid8, the transaction that last changed the row: the warehouse asks for rows at or past the last
--                                      one. A table without such a column is read whole each time by '18446744073709551615'::xid8.
--   recorded_at                        timestamptz, when the row became what it is. Only for tables whose former states Billing Desk keeps,
--                                      which are its own: leave it out for yours, and a report as known at an earlier time takes your
--                                      tenants and occupancies as they are now and says so.

create or replace view billing.source_tenants as
select
    tenant_id,
    name,
    email,
    country,
    currency,
    created_at,
    deleted_at,
    chg,
    recorded_at
from billing.tenants;

create or replace view billing.source_occupancies as
select
    occupancy_id,
    tenant_id,
    unit_id,
    starts_on,
    ends_on,
    deleted_at,
    chg,
    recorded_at
from billing.occupancies;
