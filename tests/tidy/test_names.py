"""One name for one thing: a public class of ``src`` shares its name with no other."""

import ast
from collections import Counter

from tests.tidy import source

TABLES = ("store/models/", "store/migrations/")
"""Classes that describe tables to Django, and that nobody imports: they bear the names of the tables."""
STILL_SHARED = {
    "Followed",
    "Following",
    "Line",
    "News",
    "Note",
    "Plan",
    "Reading",
    "RefillStatus",
    "Refused",
    "Route",
    "Shelf",
    "Standing",
    "Taken",
    "Tried",
    "Unknown",
    "Waiting",
    "Wanted",
    "Worker",
}
"""Names that two classes have today; no new one joins them."""


def public_classes():
    for path in source.files("src"):
        if not str(path.relative_to(source.SRC)).startswith(TABLES):
            yield from (
                node.name
                for node in source.tree(path).body
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
            )


def test_a_public_class_name_exists_once():
    shared = {name for name, count in Counter(public_classes()).items() if count > 1}
    assert set() == shared - STILL_SHARED
