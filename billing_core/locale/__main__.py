"""Bring the template and every language's catalogue in step with the source: `make texts`."""

from __future__ import annotations

import sys

from billing_core.language import DOMAIN, ENGLISH, LANGUAGES, LOCALE_DIR
from billing_core.locale import as_text, in_step, messages, po_path, template


def main() -> int:
    """Write the files; the exit code is 1 while a text has no translation."""
    fresh = template(messages())
    (LOCALE_DIR / f"{DOMAIN}.pot").write_text(as_text(fresh), encoding="utf-8")
    missing = 0
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        catalogue = in_step(language, fresh)
        po_path(language).parent.mkdir(parents=True, exist_ok=True)
        po_path(language).write_text(as_text(catalogue), encoding="utf-8")
        untold = sum(1 for m in catalogue if m.id and not (all(m.string) if m.pluralizable else m.string))
        missing += untold
        sys.stdout.write(f"{language}: {len(catalogue)} texts, {untold} without a translation\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
