"""Find texts of pages that a reader sees and a translator does not.

A text is taken for one that is seen when it reads like words: a word with a capital letter, or two words beside each
other. What is never shown (names of columns and keys, the style sheet, log lines) is known by where it stands.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MARKS = {"_", "N_", "n_", "p_"}
# Where the words of a call are not for readers, by the name that is called.
SILENT_CALLS = {
    *("html", "getLogger", "getenv", "compile", "fullmatch", "sub", "strftime", "ContextVar", "cast", "code"),
}
SILENT_RECEIVERS = {"log", "logger"}
SILENT_KEYWORDS = {"key", "icon", "format", "mime", "language", "param", "command", "color", "colour", "textposition"}
_WORDS = re.compile(r"\b[A-ZÆØÅ][a-zæøå]|[A-Za-z]{2,},? [a-z]{2,}")
# In a piece of an f-string one word beside a space is enough.
_PIECE = re.compile(r"\s[A-Za-zÆØÅæøå]{2,}|[A-Za-zÆØÅæøå]{2,}\s")
_NAME_OF_SOMETHING = re.compile(r"Billing Desk|Stripe|CSV|XLSX|PDF|Europe/Copenhagen")


def unmarked(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every literal that reads like words and is not marked."""
    tree = ast.parse(source)
    silent = {id(node) for node in _silent(tree)}
    pieces = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            text = _NAME_OF_SOMETHING.sub("", node.value)
            reads = _WORDS.search(text) or (id(node) in pieces and _PIECE.search(text))
            if reads and not text.lstrip().startswith((":material/", "<style", "#")):
                yield node.lineno, node.value


def marked_too_early(source: str) -> Iterator[int]:
    """Yield the line of every text that is translated when the module is read, before anybody's language is known."""
    tree = ast.parse(source)
    inside = {
        id(node)
        for scope in ast.walk(tree)
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for body in (scope.body if isinstance(scope.body, list) else [scope.body])
        for node in ast.walk(body)
    }
    early = MARKS - {"N_"}
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in early
        if is_call and id(node) not in inside:
            yield node.lineno


def _silent(tree: ast.Module) -> Iterator[ast.AST]:
    """Everything that no reader sees, or that is marked."""
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                first = node.body[0] if node.body else None
                if isinstance(first, ast.Expr):
                    yield from ast.walk(first)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    for annotation in [node.returns, *(a.annotation for a in _arguments(node.args))]:
                        if annotation is not None:
                            yield from ast.walk(annotation)
            case ast.AnnAssign():
                yield from ast.walk(node.annotation)
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                yield from ast.walk(node.value)
            case ast.Call():
                yield from _silent_in_call(node)
            case ast.Dict():
                yield from (part for key in node.keys if key is not None for part in ast.walk(key))
            case ast.Subscript():
                yield from ast.walk(node.slice)
            case ast.Compare():
                yield from ast.walk(node)


def _silent_in_call(node: ast.Call) -> Iterator[ast.AST]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    receiver = getattr(getattr(node.func, "value", None), "id", "")
    if name in MARKS:
        # The texts of a mark are marked; the values that are put into them are looked at like everything else.
        for text in node.args[: 2 if name in {"n_", "p_"} else 1]:
            yield from ast.walk(text)
    elif name in SILENT_CALLS or receiver in SILENT_RECEIVERS:
        yield from (part for argument in node.args for part in ast.walk(argument))
    for keyword in node.keywords:
        if keyword.arg in SILENT_KEYWORDS:
            yield from ast.walk(keyword.value)


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
