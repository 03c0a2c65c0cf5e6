"""Plain words: docstrings begin with a verb or a noun phrase, and variables carry a noun."""

import ast
import re

from tests.tidy import source

OPENINGS = frozenset(
    ("what", "whether", "how", "who", "those", "why", "that", "which", "where", "when", "whose", "whom")
)
EMPTY = frozenset(("one", "said", "told", "found", "known"))
"""Names that say nothing of what they hold. Loop variables of a comprehension on one line may have them."""
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp, ast.Lambda)


def files():
    return [path for path in source.files("src") if "migrations" not in path.parts]


def docstrings(path):
    """Every text that stands alone below a definition: docstrings, and what is said of constants and fields."""
    for node in ast.walk(source.tree(path)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text.strip()


def names(path):
    """Names that are bound, but for those in a comprehension or a lambda on one line."""
    tree = source.tree(path)
    short = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, COMPREHENSIONS) and node.lineno == node.end_lineno
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) if id(node) not in short:
                yield node.lineno, name


def test_no_docstring_opens_with_a_clause():
    clauses = [
        f"{source.shown(path)}:{line}: {text.splitlines()[0]}"
        for path in files()
        for line, text in docstrings(path)
        if (word := re.match(r"[`*]*([A-Za-z]+)", text)) and word[1].lower() in OPENINGS
    ]
    assert [] == clauses


def test_variables_carry_a_noun():
    assert [] == [
        f"{source.shown(path)}:{line}: {name}" for path in files() for line, name in names(path) if name in EMPTY
    ]
