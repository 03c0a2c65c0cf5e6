"""Use cases stand in ``actions``: the command line and the pages open no transaction and write nothing themselves."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.tidy import source

PRESENTERS = ("cli", "web")
WRITES = re.compile(
    r"\b(insert\s+into|update\s+\w+(\s+\w+)?\s+set|delete\s+from|for\s+(no\s+key\s+)?update)\b", re.IGNORECASE
)
NOT_YET = frozenset[str]()
"""Files that have yet to be done. The list only shrinks."""


def names_in(node: ast.AST) -> set[str]:
    """Names that a node uses, those behind a dot as ``module.name``."""
    names = set()
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name):
                names.add(name)
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                names.add(f"{module}.{name}")
    return names


def imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, as ``store module`` or ``store module.name``."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("opensmm.store"):
            folder = node.module.removeprefix("opensmm.store").removeprefix(".")
            modules |= {one.asname or one.name: f"{folder}.{one.name}" if folder else one.name for one in node.names}
    return modules


def resolved(name: str, meanings: Mapping[str, str]) -> str:
    module, dot, attribute = name.partition(".")
    return f"{meanings[module]}{dot}{attribute}" if module in meanings else name


def uses(path: Path, module: str) -> Iterator[tuple[str, set[str], bool]]:
    """(function, what it uses, whether a text of its own writes) of each function of a store module."""
    tree = source.tree(path)
    meanings = imported(tree)
    own = {target.id for node in tree.body for target in targets(node)} | {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    for node in tree.body:
        names = [one.id for one in targets(node)]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        used = {f"{module}.{name}" if name in own else resolved(name, meanings) for name in names_in(node)}
        for name in names:
            yield f"{module}.{name}", used, bool(WRITES.search(texts_of(node)))


def targets(node: ast.stmt) -> list[ast.Name]:
    results = [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
    return [one for one in results if isinstance(one, ast.Name)]


def texts_of(node: ast.AST) -> str:
    return "\n".join(
        part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def writers() -> set[str]:
    """The functions of ``store`` that write, themselves or through another."""
    used: dict[str, set[str]] = {}
    writing: set[str] = set()
    for path in source.files("src/opensmm/store"):
        if not {"migrations", "models", "checks"} & set(path.parts):
            for name, names, writes in uses(path, path.stem):
                used[name] = names
                writing |= {name} if writes else set()
    while more := {name for name, names in used.items() if name not in writing and names & writing}:
        writing |= more
    return writing


def astray(path: Path, writing: set[str]) -> Iterator[str]:
    """Transactions that a file opens, and functions of the store it uses that write."""
    tree = source.tree(path)
    meanings = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transaction":
            yield f"{source.shown(path)}:{node.lineno}: a transaction"
    called = {resolved(name, meanings) for name in names_in(tree) if name.partition(".")[0] in meanings}
    for name in sorted(called & writing):
        yield f"{source.shown(path)}: {name}"


def presenters() -> list[Path]:
    return [path for floor in PRESENTERS for path in source.files(f"src/opensmm/{floor}")]


def test_a_verb_and_a_page_open_no_transaction_and_write_nothing():
    writing = writers()
    assert "catalogue.save_services" in writing
    assert "catalogue.services" not in writing
    places = [one for path in presenters() if path.name not in NOT_YET for one in astray(path, writing)]
    assert [] == places


def test_the_files_that_have_yet_to_be_done_still_write():
    writing = writers()
    assert [] == [path.name for path in presenters() if path.name in NOT_YET and not any(astray(path, writing))]
