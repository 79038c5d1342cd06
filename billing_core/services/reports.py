"""Reports: the one way from a page or a command to figures.

`run` checks the actor, binds the common filters and returns Arrow with everything a reader needs to know about it.
Dates are dates of the reporting time zone: `from_date` is included, `to_date` is not, `as_of` is the end of that day.
Without a range a report covers all history; without an as-of day it shows things as they stand.
`as_of` is about when things happened, `known_at` about when they were recorded; the two together give the same figures
for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from billing_core import money
from billing_core.errors import InvalidInputError
from billing_core.language import _
from billing_core.periods import end_of_day, local_date
from billing_core.rules.fx import Rate, Rates
from billing_core.services.access import Actor, authorize
from billing_core.services.desk import Desk
from billing_core.services.report_formats import to_csv, to_json, to_parquet, to_table
from billing_core.services.reporting_currency import convert
from billing_core.warehouse import Column, Header, Snapshot, Warehouse, headers

__all__ = ["Report", "ReportInfo", "describe", "list_reports", "run", "to_csv", "to_json", "to_parquet", "to_table"]

FILTERS = ("from_date", "to_date", "as_of", "tenant_id", "currency")
# Filled in from `now`, never asked of a user.
_CLOCK = ("today", "now")


@dataclass(frozen=True, slots=True)
class ReportInfo:
    """What a report is, without its figures.

    Attributes:
        name: what `run` takes.
        title: a few words.
        purpose: how the figures are computed.
        filters: the common filters it heeds, of `FILTERS`.
        needs: values it cannot do without, by name (`invoice_id`).
        options: values it takes besides, with what they are when left out (`basis`: `committed`).
        grain: columns that no two rows share.
        columns: in order.
        is_convertible: whether its amounts can be shown in a reporting currency.
    """

    name: str
    title: str
    purpose: str
    filters: tuple[str, ...]
    needs: tuple[str, ...]
    options: Mapping[str, str]
    grain: tuple[str, ...]
    columns: tuple[Column, ...]
    is_convertible: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A report with its figures.

    Attributes:
        name: as asked for.
        title: a few words.
        purpose: how the figures are computed, for a reader.
        columns: name, type, unit and meaning of each column, in the table's order.
        table: the rows; money is int64 minor units beside a currency.
        as_of: the figures are as Postgres had them at this instant (UTC); for a report as known at an earlier instant
            that instant.
        zone: reporting time zone of the dates.
        notes: sentences that belong to these figures: what is not final, what could not be converted.
        asked: the filters that were set and the other values that were given, as text, by name.
    """

    name: str
    title: str
    purpose: str
    columns: tuple[Column, ...]
    table: pa.Table
    as_of: datetime
    zone: str
    notes: tuple[str, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)


def list_reports() -> list[ReportInfo]:
    """Return all reports by name."""
    return [_info(headers.header(name)) for name in headers.names()]


def describe(name: str) -> ReportInfo:
    """Return what a report is.

    Raises:
        QueryError: no report has that name.
    """
    return _info(headers.header(name))


def run(
    desk: Desk,
    actor: Actor,
    name: str,
    *,
    now: datetime,
    from_date: date | None = None,
    to_date: date | None = None,
    as_of: date | None = None,
    tenant_id: str | None = None,
    currency: str | None = None,
    known_at: date | datetime | None = None,
    reporting_currency: str | None = None,
    **extra: Any,
) -> Report:
    """Compute a report.

    Args:
        desk: the open desk; pin it (`desk.pinned()`) when several reports have to agree.
        actor: who asks; checked on every call.
        name: of the report.
        now: the present instant; "today" is its date in the reporting time zone.
        from_date: first day, included.
        to_date: last day, not included.
        as_of: what happened after this day is not counted; None: as things stand.
        tenant_id: one tenant only.
        currency: one currency only, in any case.
        known_at: what was recorded after this instant (aware), or after the end of this day, is left out, and the
            present is that instant; None: all that is known. Once the instant is settled the figures never change.
        reporting_currency: show amounts in this currency, in any case, by the dated rates that were known; for reports
            whose info says `is_convertible`. None: each in its own.
        **extra: what the report needs besides (`invoice_id`); what it does not name is ignored.

    Raises:
        ForbiddenError: the actor may not see it.
        InvalidInputError: the range ends before it begins, the currency is none, `known_at` has no time zone, or a
            text holds half a surrogate pair.
        QueryError: no such report, a needed value is missing, there are no figures yet, or the report cannot be shown
            in a reporting currency.
    """
    query = headers.header(name)
    authorize(desk, actor, query.permission)
    if from_date and to_date and to_date < from_date:
        raise InvalidInputError(_("The range ends on {end} before it begins on {start}.", end=to_date, start=from_date))
    currency, into = _currency(currency), _currency(reporting_currency)
    _refuse_no_text(tenant_id, *extra.values())
    zone = desk.settings.zone
    known = None if known_at is None else known_until(known_at, zone)
    present = now if known is None else min(now, known)
    params: dict[str, Any] = {
        **extra,
        "from_date": from_date,
        "to_date": to_date,
        "as_of": as_of,
        "tenant_id": tenant_id,
        "currency": currency,
        "today": local_date(present, zone),
        "now": present,
    }
    figures = desk.warehouse.pinned()
    snapshot = figures.snapshot()
    table = figures.run(name, params, known_at=known)
    notes = () if known is None else _known_notes(figures, snapshot, known)
    columns, computed_at = query.columns, known or snapshot.refreshed_at
    if into is not None:
        rates = _rates(figures, known, desk.settings.fx_max_age_days)
        converted = convert(query, table, rates, into, last_on=as_of or params["today"])
        table, columns, notes = converted.table, converted.columns, notes + converted.notes
    asked = {key: str(value) for key, value in params.items() if key in query.params and value is not None}
    asked = {key: value for key, value in asked.items() if key not in _CLOCK}
    if known_at is not None:
        asked["known_at"] = computed_at.isoformat()
    if into is not None:
        asked["reporting_currency"] = into
    return Report(name, query.title, query.purpose, columns, table, computed_at, snapshot.zone, notes, asked)


def _refuse_no_text(*values: object) -> None:
    # Half a surrogate pair is no character: a command line or a link can bring one, DuckDB takes none.
    if any("\ud800" <= character <= "\udfff" for value in values if isinstance(value, str) for character in value):
        raise InvalidInputError(_("What was asked for has a character that is no text; type it again without it."))


def _currency(code: str | None) -> str | None:
    if code is None:
        return None
    money.exponent(code)
    return code.lower()


def _rates(figures: Warehouse, known: datetime | None, max_age_days: int) -> Rates:
    rows = figures.run("fx_rates", dict.fromkeys(FILTERS), known_at=known).to_pylist()
    return Rates((Rate(r["rate_on"], r["base_currency"], r["quote_currency"], r["rate"]) for r in rows), max_age_days)


def known_until(known_at: date | datetime, zone: ZoneInfo) -> datetime:
    """Return the last instant of what is meant: the instant itself, or the end of the day, to the microsecond.

    Raises:
        InvalidInputError: an instant without a time zone.
    """
    if not isinstance(known_at, datetime):
        return end_of_day(known_at, zone) - timedelta(microseconds=1)
    if known_at.utcoffset() is None:
        raise InvalidInputError(f"{known_at.isoformat()} has no time zone: write 2026-10-01T12:00:00Z, or a date.")
    return known_at.astimezone(UTC)


def _known_notes(figures: Warehouse, snapshot: Snapshot, known: datetime) -> tuple[str, ...]:
    notes = []
    if snapshot.settled_at is None or known >= snapshot.settled_at:
        final = _("none yet") if snapshot.settled_at is None else f"{snapshot.settled_at:%Y-%m-%d %H:%M:%S} UTC"
        notes.append(
            _(
                "Not final: figures are final as known before {instant}. Run billing refresh and ask again.",
                instant=final,
            )
        )
    if changing := figures.unversioned(known):
        notes.append(_("As they are now, because nobody keeps what they were: {names}.", names=", ".join(changing)))
    return tuple(notes)


def _info(query: Header) -> ReportInfo:
    filters = tuple(p for p in FILTERS if p in query.params)
    needs = tuple(p for p in query.params if p not in FILTERS and p not in _CLOCK and p not in query.defaults)
    options = dict(query.defaults)
    return ReportInfo(
        query.name,
        query.title,
        query.purpose,
        filters,
        needs,
        options,
        query.grain,
        query.columns,
        bool(query.converted_on),
    )
