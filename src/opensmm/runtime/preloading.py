"""Imports ahead of time, for a process that soon cannot read the folders that its code lies in.

Much code imports a module only when it needs it. The bytecode of every loaded function tells which ones those are.
"""

import contextlib
import dis
import gc
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

FROM_C: Final = ("_strptime", "traceback", "tokenize", "zoneinfo._common", "zoneinfo._tzpath")
"""Imported by code that has no bytecode."""
WHOLE: Final = ("encodings", "cryptography", "msgspec", "psycopg", "psycopg_binary", "psycopg_pool", "uvicorn")
"""Packages whose modules are also imported by code without bytecode, or by names that are put together."""
TOOLS: Final = frozenset(
    {"IPython", "antigravity", "bdb", "doctest", "idlelib", "pdb", "pydoc", "readline", "rlcompleter", "test", "this"}
    | {"tkinter", "turtle", "unittest", "webbrowser", "_testcapi"}
)
"""For programmers: a server never comes to where they are imported."""
OVER: Final = frozenset(
    {"django", "markdown_it", "pydantic", "pygments", "typer", "yaml", "opensmm.cli", "opensmm.web"}
)
"""Of use for a start alone: the tables are made by then, the verb's words are read, and the pages are rendered."""

_IMPORT: Final = dis.opmap["IMPORT_NAME"]


def loaded_files() -> list[Path]:
    """The files of all modules that are loaded."""
    found = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return [Path(file) for file in found if file]


def import_the_rest() -> None:
    """Imports every module that the loaded code may import later, and what that may import in its turn."""
    for name in (*FROM_C, *(inner for package in WHOLE for inner in _modules_of(package))):
        _try_to_import(name)
    tried: set[str] = set()
    read: dict[int, CodeType] = {}
    while (names := _named_in_functions(read)) - tried:
        for name in sorted(names - tried):
            if not any(f"{name}.".startswith(f"{left_out}.") for left_out in TOOLS | OVER):
                _try_to_import(name)
        tried |= names


def _try_to_import(name: str) -> None:
    """A module that is not for this system, or not installed, is none that will be needed."""
    with contextlib.suppress(Exception):
        import_module(name)


def _modules_of(package: str) -> Iterator[str]:
    paths = getattr(sys.modules.get(package), "__path__", None)
    if paths is not None:
        for module in pkgutil.walk_packages(paths, f"{package}.", onerror=lambda _: None):
            yield module.name


def _named_in_functions(read: dict[int, CodeType]) -> set[str]:
    """The modules that functions import when they are called; of ``from a import b`` both a and a.b are named.

    ``read`` has the code that was read before, by its id, and gets what is read now.
    """
    names: set[str] = set()
    for function in [thing for thing in gc.get_objects() if type(thing) is FunctionType]:
        if id(function.__code__) in read:
            continue
        read[id(function.__code__)] = function.__code__
        package = str(function.__globals__.get("__package__") or "")
        for code in _codes_in(function.__code__):
            if _IMPORT in code.co_code[::2]:
                names.update(_imports(code, package))
    return names


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes_in(constant)


def _imports(code: CodeType, package: str) -> Iterator[str]:
    """An import is made of a level (0: absolute), a tuple of names or None, and the module's name, in this order."""
    before: list[object] = [0, None]
    for step in dis.get_instructions(code):
        if step.opcode == _IMPORT:
            level, inner = before[-2:]
            module = resolve_name("." * (level if isinstance(level, int) else 0) + str(step.argval), package)
            yield module
            if isinstance(inner, tuple):
                yield from (f"{module}.{name}" for name in inner if not hasattr(sys.modules.get(module), name))
        before.append(step.argval)
