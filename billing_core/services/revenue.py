"""Figures that follow from those of a revenue report by one rule each, so that no page computes."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def with_net(table: pa.Table) -> pa.Table:
    """Return a table of revenue with `net_minor` = `invoiced_minor` − `credited_minor` (minor units, ex tax) added."""
    return table.append_column("net_minor", pc.subtract(table["invoiced_minor"], table["credited_minor"]))
