"""The warehouse: what reports read. The only room that imports `duckdb`, and the only one that reads Postgres through
ADBC.

Conventions: a published file `v<n>.duckdb` never changes; `CURRENT` (JSON) names the one in force and its as-of time.
Files hold the rows of schema `billing` without `raw`, the prepared tables of `queries/prepared`, and the macros of
`queries/macros.sql`. Instants are UTC, dates are dates of the reporting zone, money is minor units beside a currency.
This room does not import `store`: what there is to read is found by looking at the database.
"""

from billing_core.warehouse.headers import Column, Header
from billing_core.warehouse.refresh import refresh
from billing_core.warehouse.runner import Warehouse
from billing_core.warehouse.versions import PATIENCE_SECONDS, Snapshot

__all__ = ["PATIENCE_SECONDS", "Column", "Header", "Snapshot", "Warehouse", "refresh"]
