"""What all sessions share: the desk, and reports kept while the figures they come from are in force.

A cached report's key is everything it depends on: the version of the warehouse, the actor (his roles decide what he
may read), the day and the parameters. Arrow tables are immutable, so one copy serves every session.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from billing_core.services import reports
from billing_core.services.access import Actor
from billing_core.services.desk import Desk, open_desk
from billing_core.services.language import current
from billing_core.settings import load_settings


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """Return the desk of this process, opened at first use.

    Raises:
        BillingError: a setting is broken or Postgres cannot be reached; the next call tries again.
    """
    return open_desk(load_settings())


@st.cache_resource(show_spinner=False, max_entries=512)
def _report(
    version: str,
    actor: Actor,
    day: str,
    words: str,
    name: str,
    params: tuple[tuple[str, Any], ...],
    _desk: Desk,
    _now: datetime,
) -> reports.Report:
    return reports.run(_desk, actor, name, now=_now, **dict(params))


def report(held: Desk, actor: Actor, name: str, now: datetime, **params: Any) -> reports.Report:
    """Run a report, or return it as it was already run on the same figures today.

    Args:
        held: a pinned desk, so that all figures of a page come from one version.
        actor: who reads.
        name: of the dataset.
        now: an aware instant.
        **params: from_date, to_date, as_of, tenant_id, currency and what the dataset names besides.

    Raises:
        BillingError: not allowed, no such report, no figures yet.
    """
    version = str(held.warehouse.snapshot().path)
    day = now.astimezone(held.settings.zone).date().isoformat()
    # The language is part of the key, because a report's notes are sentences.
    return _report(version, actor, day, current(), name, tuple(sorted(params.items())), held, now)
