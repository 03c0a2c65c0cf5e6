"""Imports ahead of time, for a process that will lose access to the folders of its code.

Many modules are imported only when a function needs them. The bytecode of the loaded functions names them.
"""

import contextlib
import dis
import gc
import pkgutil
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

FROM_C: Final = ("_strptime", "traceback", "tokenize", "zoneinfo._common", "zoneinfo._tzpath")
"""Imported by code that has no bytecode."""
WHOLE: Final = ("encodings", "cryptography", "msgspec", "psycopg", "psycopg_binary", "psycopg_pool", "uvicorn")
"""Packages whose modules are also imported by code without bytecode, or by computed names."""
TOOLS: Final = frozenset(
    {"IPython", "antigravity", "bdb", "doctest", "idlelib", "pdb", "pydoc", "readline", "rlcompleter", "test", "this"}
    | {"tkinter", "turtle", "unittest", "webbrowser", "_testcapi"}
)
"""Modules for developers, which a server never imports."""
START_ONLY: Final = frozenset(
    {"django", "markdown_it", "pydantic", "pygments", "typer", "yaml", "opensmm.cli", "opensmm.web"}
)
"""Modules that only the start needs. By now the tables are made, the arguments parsed and the pages rendered."""

_IMPORT, _CONSTANT, _EXTENDED = (dis.opmap[name] for name in ("IMPORT_NAME", "LOAD_CONST", "EXTENDED_ARG"))
_NOTHING: Final = frozenset((_EXTENDED, dis.opmap["CACHE"]))
"""Instructions that put nothing on the stack."""


def loaded_files() -> list[Path]:
    """Returns the files of all loaded modules."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return [Path(file) for file in files if file]


@cache
def import_the_rest(without: tuple[str, ...] = ()) -> None:
    """Imports every module that the loaded code may import later, and what that may import in its turn.

    Packages named in ``without`` are left out. A second call does nothing: what the first imported is complete.
    """
    left_out = TOOLS | START_ONLY | set(without)
    for name in (*FROM_C, *(inner for package in WHOLE for inner in _find_modules(package))):
        _try_to_import(name)
    tried: set[str] = set()
    read: dict[int, CodeType] = {}
    while (names := _modules_in_functions(read)) - tried:
        for name in sorted(names - tried):
            if not any(f"{name}.".startswith(f"{package}.") for package in left_out):
                _try_to_import(name)
        tried |= names


def _try_to_import(name: str) -> None:
    """Imports a module. Ignores any error: a module for another system, or not installed, will not be needed."""
    with contextlib.suppress(Exception):
        import_module(name)


def _find_modules(package: str) -> Iterator[str]:
    paths = getattr(sys.modules.get(package), "__path__", None)
    if paths is not None:
        for module in pkgutil.walk_packages(paths, f"{package}.", onerror=lambda _: None):
            yield module.name


def _modules_in_functions(read: dict[int, CodeType]) -> set[str]:
    """Returns the modules that functions import when they are called; for ``from a import b``, both a and a.b.

    ``read`` has the code objects that were read before, by id. Those that are read now are added.
    """
    names: set[str] = set()
    for function in [thing for thing in gc.get_objects() if type(thing) is FunctionType]:
        if id(function.__code__) in read:
            continue
        read[id(function.__code__)] = function.__code__
        package = str(function.__globals__.get("__package__") or "")
        for code in _codes_in(function.__code__):
            if _IMPORT in code.co_code[::2]:  # Opcodes are the even bytes. Most code has no import: do not decode it.
                names.update(_imported_modules(code, package))
    return names


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes_in(constant)


def _imported_modules(code: CodeType, package: str) -> Iterator[str]:
    """Yields the modules of each import in ``code``.

    An import takes two constants off the stack: a level (0: absolute), and a tuple of names or None. The bytecode is
    read by hand, because ``dis`` would take most of the time of a process's start.
    """
    raw, extended = code.co_code, 0
    level: object = 0
    inner: object = None
    for at in range(0, len(raw), 2):
        operation, argument = raw[at], raw[at + 1] | extended
        extended = argument << 8 if operation == _EXTENDED else 0
        if operation == _IMPORT:
            module = resolve_name("." * (level if isinstance(level, int) else 0) + code.co_names[argument], package)
            yield module
            if isinstance(inner, tuple):
                yield from (f"{module}.{name}" for name in inner if not hasattr(sys.modules.get(module), name))
        elif operation not in _NOTHING:
            level, inner = inner, code.co_consts[argument] if operation == _CONSTANT else argument
