"""Words for a person stand in ``texts``: the floors below make codes and fields."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy import source

BELOW = ("domain", "store", "actions", "providers")
SHORTEST = 3
"""Words of a string that is taken for a sentence."""
WORD = re.compile(r"[A-Za-z][A-Za-z']+")
SQL = re.compile(
    r"\s*(select|insert|update|delete|alter|create|grant|revoke|with|from|where|and|or|order|group|set|drop|values|"
    r"join|left|union|lock|for|case|when|exists|not|coalesce|nullif|declare|begin|commit|rollback|execute|do)\b|"
    r"[^ ]+ (=|is|in|not|<|>|<=|>=|->>|desc|asc)|[^ ]*\(.*\)|.*%[s(]|.*\b[a-z]\.[a-z_]+",
    re.DOTALL,
)
VOCABULARIES = (
    "phrases.py", "provider_errors.py", "provider_refusals.py", "request_errors.py", "client_programs.py",
    "service_identity.py", "link_identity.py", "postgres_words.py", "provider_ids.py",
)  # fmt: skip
"""Words of other panels, of networks and of PostgreSQL, by which their answers are read."""
LOGGED = frozenset(("debug", "info", "warning", "error", "exception", "critical"))
STORED = frozenset(("The house: refills",))
"""Names in the database."""
FOR_DEVELOPERS = frozenset(
    ("AssertionError", "KeyError", "LookupError", "NotImplementedError", "RuntimeError", "TypeError", "ValueError")
)
"""Exceptions that are a mistake in the program; their text is for a log."""
OF_THE_DRIVER = frozenset(("DataError", "OperationalError"))
"""Errors that we raise as the driver would; they say what its own say, in its manner."""
NOT_YET = frozenset[str]()
"""Files below ``src/opensmm`` whose sentences have yet to become codes. The list only shrinks."""


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of each string of a file that reads like prose to be shown."""
    tree = source.tree(path)
    passed = set(exempt(tree))
    for node in ast.walk(tree):
        if id(node) not in passed and (text := text_of(node)) is not None and is_prose(text, path):
            yield getattr(node, "lineno", 0), text


def exempt(tree: ast.Module) -> Iterator[int]:
    """The nodes that are documentation, events of the log, texts of a programmer's mistakes, comments of columns, or
    words of a protocol; and the parts of a string that is put together, which is looked at as a whole."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as text):
                yield id(text)
            case ast.Call(func=ast.Attribute(attr=name)) if name in LOGGED:
                yield from inside(node)
            case ast.Call(func=ast.Name(id=name)) if name in FOR_DEVELOPERS:
                yield from inside(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="psycopg"), attr=name)) if name in OF_THE_DRIVER:
                yield from inside(node)
            case ast.keyword(arg="db_comment"):
                yield from inside(node)
            case ast.Assert(msg=message) if message is not None:
                yield from inside(message)
            case ast.ClassDef(name="ServiceType"):
                yield from inside(node)
            case ast.JoinedStr():
                yield from (id(part) for part in ast.walk(node) if part is not node)


def inside(node: ast.AST) -> Iterator[int]:
    return (id(part) for part in ast.walk(node))


def text_of(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr():
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def is_prose(text: str, path: Path) -> bool:
    if len(WORD.findall(text)) < SHORTEST or " " not in text.strip() or text in STORED:
        return False
    return not (path.is_relative_to(source.SRC / "store") and ("\n" in text or SQL.match(text)))


def files() -> list[Path]:
    paths = [path for floor in BELOW for path in source.files(f"src/opensmm/{floor}")]
    return [path for path in paths if path.name not in VOCABULARIES and not {"migrations", "models"} & set(path.parts)]


def short(path: Path) -> str:
    return str(path.relative_to(source.SRC))


def test_no_sentence_is_made_below_the_texts():
    places = [
        f"{short(path)}:{line}: {text}"
        for path in files()
        if short(path) not in NOT_YET
        for line, text in sentences(path)
    ]
    assert [] == places


def test_the_files_that_have_yet_to_be_done_still_make_sentences():
    stale = [short(path) for path in files() if short(path) in NOT_YET and not any(sentences(path))]
    assert [] == stale
    assert NOT_YET <= {short(path) for path in files()}
