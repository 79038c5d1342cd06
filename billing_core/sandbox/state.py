"""All objects of one Stripe account: in memory, written through to one SQLite file, undone as a whole when anything
fails.

Conventions: an object is a plain JSON dict in Stripe's wire form with ids in place of expandable fields; its kind is
its `object` value (`customer`, `invoice`, `line_item`, …). Keys that begin with `_` are ours and never leave the
server. Sub-lists (an invoice's lines, a subscription's items) are objects of their own kind and are put together when
rendered. An object is changed only through `edit`, which remembers how it was; an index covers only a field that never
changes after insertion.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Obj = dict[str, Any]

# kind → fields that never change after insertion and are looked up by value.
INDEXES: dict[str, tuple[str, ...]] = {
    "subscription": ("customer",),
    "subscription_item": ("subscription",),
    "subscription_schedule": ("customer",),
    "invoice": ("customer", "_subscription"),
    "line_item": ("invoice",),
    "invoiceitem": ("customer",),
    "invoice_payment": ("invoice", "_payment_intent"),
    "payment_intent": ("customer", "_invoice"),
    "payment_method": ("_owner",),
    "charge": ("customer", "payment_intent"),
    "refund": ("charge", "payment_intent"),
    "credit_note": ("invoice", "customer"),
    "credit_note_line_item": ("_credit_note",),
    "customer_balance_transaction": ("customer",),
    "tax_id": ("customer",),
    "discount": ("_owner",),
    "billing.meter_event": ("_series",),
    "balance_transaction": ("source", "type"),
    "dispute": ("charge",),
    "price": ("product",),
    "_timer": ("ref",),
    "_delivery": ("endpoint", "event"),
}

# Never changed once written and by far the most: kept as text, parsed when read.
FROZEN = frozenset({"event"})


def clone(value: Any) -> Any:
    """Return a copy of a JSON value that shares nothing that can change; much quicker than `copy.deepcopy`."""
    if type(value) is dict:
        return {k: clone(v) if type(v) in (dict, list) else v for k, v in value.items()}
    if type(value) is list:
        return [clone(v) if type(v) in (dict, list) else v for v in value]
    return value


def sequence_of(obj: Obj | str) -> int:
    """Return an object's place in the order of insertion; of a frozen one it is the last thing in its text."""
    return int(obj.rsplit('"_seq": ', 1)[1].rstrip("}") if isinstance(obj, str) else obj["_seq"])


class State:
    """One account's objects.

    Args:
        path: SQLite file, created when missing; None keeps everything in memory only.
        seed: makes ids; two states with the same seed and the same calls hold the same ids.
    """

    def __init__(self, path: Path | None = None, *, seed: str = "sandbox") -> None:
        self._kinds: dict[str, dict[str, Obj | str]] = {}
        self._indexes: dict[tuple[str, str], dict[Any, dict[str, None]]] = {}
        self._undo: list[tuple[str, str, Obj | str | None]] = []
        self._unordered: set[str] = set()
        self._depth = 0
        self.meta: Obj = {"seed": seed, "sequence": 0}
        self._connection: sqlite3.Connection | None = None
        if path is not None:
            self._open(path)

    # --- reading -----------------------------------------------------------------------------------------------------

    def get(self, kind: str, object_id: str | None) -> Obj | None:
        """Return an object to read, or None; the caller must not change it."""
        found = self._kinds.get(kind, {}).get(object_id) if object_id else None
        return json.loads(found) if isinstance(found, str) else found

    def all(self, kind: str) -> list[Obj]:
        """Return all objects of a kind in order of insertion, to read."""
        return [json.loads(o) if isinstance(o, str) else o for o in self._in_order(kind).values()]

    def ids(self, kind: str) -> list[str]:
        """Return all ids of a kind in order of insertion."""
        return list(self._in_order(kind))

    def kinds(self) -> list[str]:
        """Return all kinds of object that there are."""
        return list(self._kinds)

    def newest(self, kind: str) -> Iterator[str]:
        """Yield the ids of a kind, the last inserted first; nothing may be inserted meanwhile."""
        yield from reversed(self._in_order(kind))

    def text(self, kind: str, object_id: str) -> str:
        """Return a frozen object as the JSON text it is kept as, to look for something without parsing it.

        Raises:
            KeyError: there is no such object.
        """
        found = self._kinds[kind][object_id]
        return found if isinstance(found, str) else json.dumps(found)

    def where(self, kind: str, field: str, value: Any) -> list[Obj]:
        """Return the objects whose indexed field has a value, in order of insertion, to read.

        Raises:
            KeyError: the field is not in `INDEXES`.
        """
        if field not in INDEXES.get(kind, ()):
            raise KeyError(f"{kind}.{field} has no index")
        ids = self._indexes.get((kind, field), {}).get(value, {})
        return [o for i in ids if (o := self.get(kind, i)) is not None]

    # --- writing -----------------------------------------------------------------------------------------------------

    def new_id(self, prefix: str) -> str:
        """Return a new id such as `cus_…`: unpredictable to look at, the same again for the same seed and calls."""
        self._remember_meta()
        self.meta["sequence"] += 1
        digest = hashlib.blake2b(f"{self.meta['seed']}:{prefix}:{self.meta['sequence']}".encode(), digest_size=9)
        return f"{prefix}_1{digest.hexdigest()}"

    def insert(self, obj: Obj) -> Obj:
        """Add an object; its kind is `obj["object"]`, its id `obj["id"]`. Returns it."""
        kind, object_id = obj["object"], obj["id"]
        if object_id in self._kinds.get(kind, {}):
            raise ValueError(f"{kind} {object_id} exists")
        self._remember_meta()
        self.meta["sequence"] += 1
        obj["_seq"] = self.meta["sequence"]
        self._undo.append((kind, object_id, None))
        self._put(kind, object_id, json.dumps(obj) if kind in FROZEN else obj)
        return obj

    def edit(self, kind: str, object_id: str) -> Obj:
        """Return an object to change in place; how it was is kept until the transaction ends.

        Raises:
            KeyError: there is no such object.
        """
        obj = self._kinds[kind][object_id]
        if isinstance(obj, str):
            raise TypeError(f"a {kind} never changes")
        self._undo.append((kind, object_id, clone(obj)))
        return obj

    def delete(self, kind: str, object_id: str) -> None:
        """Remove an object."""
        self._undo.append((kind, object_id, self._kinds[kind][object_id]))
        self._take(kind, object_id)

    def set_meta(self, **values: Any) -> None:
        """Set values of the account itself (clock, settings); undone with the transaction."""
        self._remember_meta()
        self.meta.update(values)

    def note_meta(self, **values: Any) -> None:
        """Set values of the account that the next transaction may write or a kill may lose, such as the time of day."""
        self.meta.update(values)

    # --- transactions ------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; the outermost one writes to disk before it returns. Inner ones undo only their own part."""
        mark = len(self._undo)
        self._depth += 1
        try:
            yield
        except BaseException:
            self._rewind(mark)
            raise
        finally:
            self._depth -= 1
        if self._depth == 0:
            self._flush()

    @contextmanager
    def scratch(self) -> Iterator[None]:
        """Whatever happens inside is undone at the end: how previews are made by the code that does the real thing."""
        mark = len(self._undo)
        self._depth += 1
        try:
            yield
        finally:
            self._rewind(mark)
            self._depth -= 1

    def save(self, path: Path) -> None:
        """Write everything to a new SQLite file: how a history that was made in memory is kept.

        Raises:
            FileExistsError: there is a file already.
        """
        if path.exists():
            raise FileExistsError(path)
        kept = State(path)
        try:
            kept._kinds, kept.meta = self._kinds, self.meta
            kept._undo = [(kind, object_id, None) for kind, group in self._kinds.items() for object_id in group]
            kept._flush()
        finally:
            kept.close()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _put(self, kind: str, object_id: str, obj: Obj | str) -> None:
        self._kinds.setdefault(kind, {})[object_id] = obj
        if not isinstance(obj, str):
            for field in INDEXES.get(kind, ()):
                self._indexes.setdefault((kind, field), {}).setdefault(obj.get(field), {})[object_id] = None

    def _take(self, kind: str, object_id: str) -> None:
        obj = self._kinds[kind].pop(object_id)
        if not isinstance(obj, str):
            for field in INDEXES.get(kind, ()):
                self._indexes[kind, field][obj.get(field)].pop(object_id, None)

    def _remember_meta(self) -> None:
        self._undo.append(("", "", dict(self.meta)))

    def _rewind(self, mark: int) -> None:
        restored: list[tuple[str, Obj]] = []
        while len(self._undo) > mark:
            kind, object_id, before = self._undo.pop()
            if not kind:
                self.meta = before  # type: ignore[assignment]  # meta is remembered as a dict
                continue
            if object_id in self._kinds.get(kind, {}):
                current = self._kinds[kind][object_id]
                if isinstance(current, dict) and isinstance(before, dict):
                    current.clear()
                    current.update(before)
                    continue
                self._take(kind, object_id)
            if before is not None:
                self._put(kind, object_id, before)
                if isinstance(before, dict):
                    restored.append((kind, before))
        # What had been deleted comes back at the end; its place is where it was inserted.
        for kind, obj in restored:
            self._unordered.add(kind)
            for field in INDEXES.get(kind, ()):
                bucket = self._indexes[kind, field].get(obj.get(field), {})
                ordered = sorted(bucket, key=lambda i: self._order(kind, i))
                bucket.clear()
                bucket.update(dict.fromkeys(ordered))

    def _order(self, kind: str, object_id: str) -> int:
        obj = self._kinds[kind].get(object_id)
        return int(obj["_seq"]) if isinstance(obj, dict) else 0

    def _in_order(self, kind: str) -> dict[str, Obj | str]:
        objects = self._kinds.get(kind, {})
        if kind in self._unordered:
            self._unordered.discard(kind)
            ordered = sorted(objects.items(), key=lambda entry: self._order(kind, entry[0]))
            objects.clear()
            objects.update(ordered)
        return objects

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The server answers from one thread at a time; the check would only forbid handing the state over to it.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # WAL with NORMAL loses nothing when the process is killed, which is what is promised.
        self._connection.execute("pragma journal_mode=wal")
        self._connection.execute("pragma synchronous=normal")
        self._connection.execute(
            "create table if not exists objects (kind text, id text, seq integer, body blob, primary key (kind, id))"
        )
        self._connection.execute("create table if not exists meta (key text primary key, value text)")
        for kind, object_id, body in self._connection.execute("select kind, id, body from objects order by seq"):
            self._put(kind, object_id, zlib.decompress(body).decode() if kind in FROZEN else json.loads(body))
        for key, value in self._connection.execute("select key, value from meta"):
            self.meta[key] = json.loads(value)

    def _flush(self) -> None:
        touched, self._undo = self._undo, []
        if self._connection is None or not touched:
            return
        keys = dict.fromkeys((kind, object_id) for kind, object_id, _ in touched if kind)
        self._connection.execute("begin immediate")
        try:
            for kind, object_id in keys:
                obj = self._kinds.get(kind, {}).get(object_id)
                if obj is None:
                    self._connection.execute("delete from objects where kind = ? and id = ?", (kind, object_id))
                    continue
                # Of a long history nine tenths are events, which repeat themselves.
                body = zlib.compress(obj.encode(), 1) if isinstance(obj, str) else json.dumps(obj)
                self._connection.execute(
                    "insert or replace into objects values (?, ?, ?, ?)", (kind, object_id, sequence_of(obj), body)
                )
            for key, value in self.meta.items():
                self._connection.execute("insert or replace into meta values (?, ?)", (key, json.dumps(value)))
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")
