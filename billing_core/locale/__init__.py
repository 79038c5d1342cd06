"""The texts of the product for translators: `billing.pot`, and one `.po` per language.

`python -m billing_core.locale` (`make texts`) reads every marked text from the source and the headers of the queries,
writes the template, and brings the catalogues in step: new texts come in empty, texts that are gone leave.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from billing_core.language import DOMAIN, LANGUAGES, LOCALE_DIR
from billing_core.services.labels import label_text
from billing_core.services.reports import list_reports

ROOT = LOCALE_DIR.parent.parent
# Nobody reads these in another language: the command line, the local stand-in for Stripe and its history.
SPOKEN_ROOMS = ("pages", "billing_core")
SILENT_ROOMS = ("billing_core/cli", "billing_core/sandbox", "billing_core/locale")
MARKS = frozenset(["_", "N_", "n_", "p_"])
# When the catalogues began; a file that is written twice is the same file.
BEGUN = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Message:
    """One text: where it is used, the text itself, its plural and its context where it has them."""

    place: str
    text: str
    plural: str | None = None
    context: str | None = None


class UnreadableMarkError(ValueError):
    """A mark around something that is not a plain text, which no translator would ever see."""


def messages() -> list[Message]:
    """Return all marked texts, in the order of files and lines.

    Raises:
        UnreadableMarkError: a marked text is put together at run time; names the place.
    """
    return [*_of_source(), *_of_queries()]


def template(found: Iterable[Message]) -> Catalog:
    """Return the texts as a catalogue without translations."""
    catalogue = Catalog(domain=DOMAIN, project="Billing Desk", version="1", creation_date=BEGUN, charset="utf-8")
    for message in found:
        catalogue.add(
            (message.text, message.plural) if message.plural else message.text,
            locations=[(message.place, 0)],
            context=message.context,
        )
    return catalogue


def translations(language: str) -> Catalog:
    """Return the catalogue of a language as it is kept; empty when there is none yet."""
    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language, domain=DOMAIN)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def po_path(language: str) -> Path:
    """Return where a language's catalogue lies."""
    return LOCALE_DIR / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def as_text(catalogue: Catalog) -> str:
    """Return a catalogue as it is written to its file."""
    out = BytesIO()
    write_po(out, catalogue, width=120, omit_header=False, ignore_obsolete=True, include_lineno=False)
    return out.getvalue().decode("utf-8")


def in_step(language: str, fresh: Catalog) -> Catalog:
    """Return the language's catalogue with exactly the texts of the template, translations kept."""
    kept = translations(language)
    made = Catalog(
        locale=language,
        domain=DOMAIN,
        project=fresh.project,
        version=fresh.version,
        creation_date=BEGUN,
        revision_date=BEGUN,
        language_team=LANGUAGES[language],
        last_translator="Billing Desk",
        charset="utf-8",
        fuzzy=False,
    )
    for message in fresh:
        if message.id:
            old = kept.get(message.id, context=message.context)
            has_it = old is not None and old.id == message.id
            made.add(
                message.id,
                old.string if has_it and old is not None else None,
                locations=message.locations,
                context=message.context,
            )
    return made


def _of_source() -> Iterator[Message]:
    silent = tuple(ROOT / room for room in SILENT_ROOMS)
    for room in SPOKEN_ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not any(path.is_relative_to(s) for s in silent):
                yield from marked(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())


def marked(source: str, place: str) -> Iterator[Message]:
    """Yield the marked texts of one Python file.

    Raises:
        UnreadableMarkError: see `messages`.
    """
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS):
            continue
        wanted = 2 if node.func.id in {"n_", "p_"} else 1
        texts = [a.value for a in node.args[:wanted] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if len(texts) == wanted:
            match node.func.id:
                case "n_":
                    yield Message(place, texts[0], plural=texts[1])
                case "p_":
                    yield Message(place, texts[1], context=texts[0])
                case _:
                    yield Message(place, texts[0])
        elif any(isinstance(part, ast.JoinedStr | ast.BinOp) for part in node.args[:wanted]):
            raise UnreadableMarkError(
                f"{place}:{node.lineno}: a marked text has to be one plain text with named places"
            )


def _of_queries() -> Iterator[Message]:
    """Titles, purposes, meanings and labels: what `explain` and the files for people show."""
    for info in list_reports():
        place = f"queries/{info.name}.sql"
        yield Message(place, info.title)
        yield Message(place, info.purpose)
        for column in info.columns:
            yield Message(place, label_text(column))
            yield Message(place, column.meaning)
