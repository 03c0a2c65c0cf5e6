"""One name for one thing: a public class of ``src`` shares its name with no other."""

import ast
from collections import Counter

from tests.tidy import source

MIGRATIONS = "store/migrations/"
"""Each of its modules has a class ``Migration``, which Django looks for."""


def public_classes():
    for path in source.files("src"):
        if not str(path.relative_to(source.SRC)).startswith(MIGRATIONS):
            yield from (
                node.name
                for node in source.tree(path).body
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
            )


def test_a_public_class_name_exists_once():
    assert set() == {name for name, count in Counter(public_classes()).items() if count > 1}
