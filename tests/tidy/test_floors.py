"""Imports go down only; neighbours on one floor do not know each other; the lower floors are pure."""

import ast
import subprocess
import sys

import pytest
from tests.tidy import source

FLOORS = {
    "base": 0,
    "domain": 1,
    "wire": 2,
    "store": 2,
    "texts": 2,
    "providers": 3,
    "actions": 4,
    "api": 5,
    "web": 5,
    "worker": 5,
    "runtime": 6,
}
TOP = 7
ON_TOP = {"cli"}
EVERYWHERE = "config"
PURE = ("base", "domain", "wire", "texts")
SPEAK = {"cli", "web", "worker", "runtime", "texts"}
# What a pure floor may use: nothing here waits, tells the time, throws dice, or touches the world.
PURE_MODULES = {
    "abc",
    "bisect",
    "collections",
    "collections.abc",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "html",
    "ipaddress",
    "itertools",
    "idna",
    "json",
    "math",
    "msgspec",
    "multipart",
    "operator",
    "re",
    "shlex",
    "string",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
}
# Catalogues are data of the package, read like its modules.
OF_TEXTS = {"gettext", "io", "pathlib", "struct"}
IMPURE_CALLS = {"now", "utcnow", "today", "fromtimestamp"}
IMPURE_NAMES = {"open", "print", "input", "exec", "eval", "float"}
DJANGO_MAY_BE_IN = (
    "store/models/",
    "store/migrations/",
    "store/apps.py",
    "store/schema.py",
    "web/",
    "runtime/application.py",
)


def package(path):
    """The floor's name a file belongs to; a file beside the floors is at the top, under its own name."""
    first = path.relative_to(source.SRC).parts[0]
    return first.removesuffix(".py")


def faults_of_import(path, module):
    here = package(path)
    there = module.split(".")[1]
    if here == EVERYWHERE:
        return [] if there == "base" else ["config stands at the bottom"]
    if there in (here, EVERYWHERE):
        return ["a pure floor reads no configuration"] if there != here and here in PURE else []
    if FLOORS.get(there, TOP) < FLOORS.get(here, TOP) or (here not in FLOORS and there not in FLOORS):
        return []
    return [f"{here} may not know {there}"]


def test_every_folder_has_its_floor():
    folders = {path.name for path in source.SRC.iterdir() if (path / "__init__.py").exists()}
    assert set(FLOORS) == folders - ON_TOP


def test_imports_go_down_and_never_sideways():
    faults = [
        f"{source.shown(path)}:{line}: {fault}"
        for path in source.files("src")
        for line, module in source.imports(path)
        if module.startswith("opensmm.") and path != source.SRC / "__init__.py"
        for fault in faults_of_import(path, module)
    ]
    assert [] == faults


def test_only_what_speaks_to_people_knows_the_words():
    astray = [
        f"{source.shown(path)}:{line}"
        for path in source.files("src")
        for line, module in source.imports(path)
        if module.startswith("opensmm.texts") and package(path) not in SPEAK
    ]
    assert [] == astray


def test_imports_are_absolute():
    relative = [
        f"{source.shown(path)}:{line}: {module}"
        for path in source.files()
        for line, module in source.imports(path)
        if module.startswith(".")
    ]
    assert [] == relative


@pytest.mark.parametrize("floor", PURE)
def test_a_pure_floor_imports_only_what_is_pure(floor):
    impure = [
        f"{source.shown(path)}:{line}: {module}"
        for path in source.files(f"src/opensmm/{floor}")
        for line, module in source.imports(path)
        if not module.startswith("opensmm") and module not in PURE_MODULES | (OF_TEXTS if floor == "texts" else set())
    ]
    assert [] == impure


def impurity(node):
    match node:
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            return "it waits"
        case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_CALLS:
            return f"it asks for the time: {name}"
        case ast.Name(id=name) if name in IMPURE_NAMES:
            return f"it uses {name}"
        case ast.Constant(value=float()):
            return "it holds a float"
        case _:
            return None


@pytest.mark.parametrize("floor", PURE)
def test_a_pure_floor_waits_for_nothing_and_counts_in_no_floats(floor):
    impure = [
        f"{source.shown(path)}:{getattr(node, 'lineno', 0)}: {why}"
        for path in source.files(f"src/opensmm/{floor}")
        for node in ast.walk(source.tree(path))
        if (why := impurity(node)) is not None
    ]
    assert [] == impure


def test_django_stays_in_the_web_and_the_schema():
    astray = [
        f"{source.shown(path)}:{line}: {module}"
        for path in source.files("src")
        for line, module in source.imports(path)
        if module.split(".")[0] == "django" and not str(path.relative_to(source.SRC)).startswith(DJANGO_MAY_BE_IN)
    ]
    assert [] == astray


@pytest.mark.parametrize("module", ["opensmm.store.schema", "opensmm.store.embedded", "opensmm.api", "opensmm.actions"])
def test_the_path_of_the_api_loads_no_django(module):
    names = [module, *(found_in(module))]
    program = f"import sys, {', '.join(names)}; sys.exit('django' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode


def found_in(module):
    """The modules of a package that stand in its folder."""
    folder = source.SRC.joinpath(*module.split(".")[1:])
    return [f"{module}.{path.stem}" for path in sorted(folder.glob("[!_]*.py"))]
