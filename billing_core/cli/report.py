"""`billing report` and `billing refresh`: figures on the command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from billing_core.cli.context import ActingAs, open_context, without_postgres
from billing_core.errors import (
    BillingError,
    InvalidInputError,
    NotFoundError,
    PendingMigrationError,
    QueryError,
    SettingError,
    StoreError,
)
from billing_core.settings import load_settings

if TYPE_CHECKING:
    from billing_core.cli.context import Context
    from billing_core.services.reports import Report, ReportInfo


_OPTIONS = {
    "from_date": "--from",
    "to_date": "--to",
    "as_of": "--as-of",
    "tenant_id": "--tenant",
    "currency": "--currency",
}


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    XLSX = "xlsx"
    PDF = "pdf"


# Another refresh, most likely the worker's, brings the same rows: after this long the report takes what there is.
REFRESH_PATIENCE_SECONDS = 10.0
_BINARY = {Format.PARQUET: "Parquet", Format.XLSX: "A workbook", Format.PDF: "PDF"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("report")(report)
    app.command("refresh")(refresh)


def report(
    name: Annotated[str | None, typer.Argument(help="Which report; --list shows them.")] = None,
    from_date: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day, included.")] = None,
    to_date: Annotated[str | None, typer.Option("--to", metavar="DATE", help="End of the range, not included.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Count nothing after the end of this day.")
    ] = None,
    known_at: Annotated[
        str | None,
        typer.Option(
            "--known-at", metavar="TIME", help="Leave out what was recorded later: an instant, or the end of a day."
        ),
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="ID", help="One tenant only.")] = None,
    reporting_currency: Annotated[
        str | None,
        typer.Option("--reporting-currency", metavar="ISO", help="Show amounts in this currency, by imported rates."),
    ] = None,
    currency: Annotated[str | None, typer.Option("--currency", metavar="ISO", help="One currency only.")] = None,
    with_value: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME=VALUE", help="What a report needs besides, such as invoice_id=in_1."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write to a file.")] = None,
    as_published: Annotated[
        bool,
        typer.Option("--as-published", help="Take the figures as last published, without a look at Postgres first."),
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Show the reports and what they take.")] = False,
    acting_as: ActingAs = None,
) -> None:
    """Compute a report from all that is known now; days are days of the reporting time zone."""
    from billing_core.services import reports

    if show_list:
        _print_list(reports.list_reports())
        return
    if name is None:
        raise InvalidInputError("Name a report, or use --list to see them.")
    given = {
        "from_date": _date("--from", from_date),
        "to_date": _date("--to", to_date),
        "as_of": _date("--as-of", as_of),
    }
    filters = given | {"tenant_id": tenant, "currency": currency}
    known = _moment("--known-at", known_at)
    info = reports.describe(name)
    extra = dict(_pair(text) for text in with_value or [])
    _refuse_unknown(info, filters, extra)
    if form in _BINARY and output is None and sys.stdout.isatty():
        raise InvalidInputError(f"{_BINARY[form]} is not text: name a file with --output.")
    with ExitStack() as stack:
        context = _open_figures(stack, acting_as, as_published=as_published)
        result = reports.run(
            context.desk,
            context.actor,
            name,
            now=context.now,
            from_date=given["from_date"],
            to_date=given["to_date"],
            as_of=given["as_of"],
            known_at=known,
            reporting_currency=reporting_currency,
            tenant_id=tenant,
            currency=currency,
            **extra,
        )
        if tenant is not None and result.table.num_rows == 0:
            _require_tenant(context, tenant)
        content = _content(result, form, context)
    for note in result.notes:
        typer.echo(note, err=True)
    _write(content, output)


def refresh(
    full: Annotated[bool, typer.Option("--full", help="Read everything again instead of what changed.")] = False,
    acting_as: ActingAs = None,
) -> None:
    """Publish what Postgres holds now; reports on the command line and the worker do it by themselves."""
    from billing_core.services.access import authorize
    from billing_core.services.refresh import refresh as run

    with open_context(acting_as=acting_as) as context:
        authorize(context.desk, context.actor, "data.refresh")
        snapshot = run(context.desk, full=full, now=context.now)
    done = f"version {snapshot.version}" if snapshot.is_new else f"nothing new, still version {snapshot.version}"
    how = "in full" if snapshot.is_full else "changes only"
    as_of = f"{snapshot.refreshed_at:%Y-%m-%d %H:%M:%S} UTC"
    typer.echo(f"Refreshed ({how}): {snapshot.rows_read} rows read, {done}, as of {as_of}.")


def _open_figures(stack: ExitStack, acting_as: str | None, *, as_published: bool) -> Context:
    """Open what a report needs, with the figures brought up to date; says on stderr when they could not be."""
    settings = load_settings()
    try:
        context = stack.enter_context(open_context(acting_as=acting_as, settings=settings))
    except PendingMigrationError:
        raise
    except (StoreError, SettingError) as error:
        published = without_postgres(settings, acting_as)
        if published is None or not _say_not_current(published, error):
            raise
        return published
    if not as_published:
        _bring_up_to_date(context)
    return context


def _bring_up_to_date(context: Context) -> None:
    from billing_core.services.access import authorize
    from billing_core.services.refresh import refresh as run

    authorize(context.desk, context.actor, "data.refresh")
    try:
        run(context.desk, now=context.now, patience_seconds=REFRESH_PATIENCE_SECONDS)
    except BillingError as error:
        if not _say_not_current(context, error):
            raise


def _say_not_current(context: Context, error: BillingError) -> bool:
    """Say since when the figures are as they are, and why; False when there are none."""
    try:
        published = context.desk.warehouse.snapshot()
    except QueryError:
        return False
    typer.echo(f"Figures as published at {published.refreshed_at:%Y-%m-%d %H:%M:%S} UTC. {error}", err=True)
    return True


def _date(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        if len(text) != len("2026-10-01"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{option} is '{text}', which is not a date: write 2026-10-01.") from None


def _moment(option: str, text: str | None) -> date | datetime | None:
    """Read a date, or an instant with its zone."""
    if text is None or "T" not in text:
        return _date(option, text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.utcoffset() is None:
        raise InvalidInputError(
            f"{option} is '{text}', which is not an instant with a zone: write 2026-10-01T12:00:00Z, or a date."
        )
    return instant


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInputError(f"--with is '{text}': write NAME=VALUE, such as invoice_id=in_1.")
    return name, value


def _refuse_unknown(info: ReportInfo, filters: Mapping[str, object], extra: Mapping[str, str]) -> None:
    """Refuse a filter that a report does not have: it would silently change nothing."""
    for name, value in filters.items():
        if value is not None and name not in info.filters:
            has = ", ".join(_OPTIONS[f] for f in info.filters) or "none"
            raise QueryError(f"Report '{info.name}' has no {_OPTIONS[name]}. It takes: {has}.")
    for name in extra:
        if name not in info.needs and name not in info.options:
            known = ", ".join([*info.needs, *info.options]) or "none"
            raise QueryError(f"Report '{info.name}' takes no {name}. Values for --with: {known}.")


def _require_tenant(context: Context, tenant: str) -> None:
    from billing_core.services import reports

    found = reports.run(context.desk, context.actor, "tenants_list", now=context.now, tenant_id=tenant)
    if found.table.num_rows == 0:
        raise NotFoundError(f"There is no tenant '{tenant}'. See: billing report tenants_list")


def _content(result: Report, form: Format, context: Context) -> bytes:
    from billing_core.services import exports, reports
    from billing_core.services.language import ENGLISH, reader_of

    if form is Format.PARQUET:
        return reports.to_parquet(result)
    if form is Format.XLSX:
        return exports.to_xlsx(result)
    if form is Format.PDF:
        reader = reader_of(None, ENGLISH, context.desk.settings.zone)
        return exports.to_pdf(exports.of_report(result, reader), reader)
    writers = {Format.CSV: reports.to_csv, Format.JSON: reports.to_json, Format.TABLE: reports.to_table}
    return writers[form](result).encode("utf-8")


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InvalidInputError(f"{output} cannot be written: {error.strerror}. Choose another --output.") from error


def _print_list(infos: Sequence[ReportInfo]) -> None:
    for info in infos:
        takes = ", ".join(
            [
                *(_OPTIONS[f] for f in info.filters),
                *(f"--with {n}=…" for n in info.needs),
                *(f"--with {n}={v}" for n, v in info.options.items()),
                "--known-at",
                *(["--reporting-currency"] if info.is_convertible else []),
            ]
        )
        typer.echo(f"{info.name}: {info.title}")
        typer.echo(f"    takes: {takes}")
        typer.echo(f"    columns: {', '.join(c.name for c in info.columns)}")
