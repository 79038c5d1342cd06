"""The rows behind recurring revenue and receivables add up to the figures that are clicked."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from tests.queries.test_recurring import subscribe


def test_tenants_of_a_cohort_add_up_to_its_cells_also_those_that_left(company: Any) -> None:
    """Two begin in September, one leaves and returns, in two currencies; every cell is the sum of its rows."""
    for currency, factor in (("dkk", 1), ("eur", 3)):
        subscribe(company, f"t1{currency}", 100 * factor, "2026-09-01", currency=currency)
        subscribe(company, f"t2{currency}", 50 * factor, "2026-09-15", "2026-10-10", currency=currency)
        subscribe(company, f"t2{currency}", 70 * factor, "2026-11-10", currency=currency)
        subscribe(company, f"t3{currency}", 10 * factor, "2026-10-01", currency=currency)
    rows = company.report("retention_cohort_rows")
    columns = ("tenant_id", "month", "is_retained", "mrr_start_minor", "mrr_minor")
    left = [tuple(r[c] for c in columns) for r in rows if (r["tenant_id"], r["month_number"]) == ("t2dkk", 1)]
    assert left == [("t2dkk", date(2026, 10, 1), False, 50, 0)]
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for r in rows:
        adds = (1, int(r["is_retained"]), r["mrr_start_minor"], r["mrr_minor"])
        key = (r["cohort_month"], r["month_number"], r["currency"])
        sums[key] = [a + b for a, b in zip(sums[key], adds, strict=True)]
    cells = {
        (r["cohort_month"], r["month_number"], r["currency"]): [
            r["tenants_count"],
            r["tenants_retained_count"],
            r["mrr_start_minor"],
            r["mrr_minor"],
        ]
        for r in company.report("retention_cohorts")
    }
    assert len(cells) == 10
    assert sums == cells
