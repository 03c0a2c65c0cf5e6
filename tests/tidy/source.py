"""The sources as trees, for the tests of how the house is kept."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "opensmm"
TREES = ("src", "tests", "bench", "tools")


def files(*trees: str) -> list[Path]:
    """Every Python file below the given folders of the repository."""
    return sorted(path for tree in trees or TREES for path in (ROOT / tree).rglob("*.py"))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of each import, also of those inside functions; relative ones begin with a dot."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            if module == "opensmm":
                yield from ((node.lineno, f"opensmm.{name.name}") for name in node.names)
            else:
                yield node.lineno, module
