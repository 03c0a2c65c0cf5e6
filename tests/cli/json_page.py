"""The keys that docs/json.md documents, and the objects of an answer that they are checked against."""

import re

from tests.tidy.source import ROOT

PAGE = (ROOT / "docs" / "json.md").read_text()
LINE_OF_A_VERB = re.compile(r"^\| `([a-z -]+)` \| (.+) \|$", re.MULTILINE)
LINE_OF_OBJECTS = re.compile(r"^\| `([a-z -]+)`, (`[a-z_.]+`(?:, `[a-z_.]+`)*) \| (.+) \|$", re.MULTILINE)
KEYS_OF_A_VERB = re.compile(r"^the keys of `([a-z -]+)`$")
VARYING = "vary: "
LINE_OF_A_LONG_RUN = re.compile(r"^- `([a-z]+)`: (.+)$", re.MULTILINE)
CODED = "fields"
"""Its keys depend on the code beside it."""


def answers():
    """The keys of each verb's answer."""
    return {verb: _keys(line) for verb, line in LINE_OF_A_VERB.findall(PAGE)}


def long_runs():
    """The keys of the answers of verbs that run until they are stopped, and of ``bench``."""
    return {verb: _keys(line) for verb, line in LINE_OF_A_LONG_RUN.findall(PAGE)}


def inner_objects():
    """The keys of the objects within answers, under the verb and the path. An object without any has varying keys."""
    return {
        (verb, path): _keys_of_object(line)
        for verb, paths, line in LINE_OF_OBJECTS.findall(PAGE)
        for path in re.findall(r"`([a-z_.]+)`", paths)
    }


def _keys_of_object(line):
    if line.startswith(VARYING):
        return set()
    reference = KEYS_OF_A_VERB.match(line)
    return _keys(line) if reference is None else answers()[reference[1]]


def _keys(line):
    return set(re.findall(r"`(\w+)`", line))


def objects(answer, varying, path=""):
    """Yields the objects within an answer, each with its path, such as ``customers.keys``.

    It leaves out every ``fields``, and what lies below a path in ``varying``.
    """
    for name, value in answer.items():
        if name == CODED:
            continue
        below = f"{path}.{name}".lstrip(".")
        for entry in _objects_of(value):
            yield below, entry
            if below not in varying:
                yield from objects(entry, varying, below)


def _objects_of(value):
    """The objects in a value: itself, or the entries of a list."""
    if isinstance(value, list):
        return [entry for item in value for entry in _objects_of(item)]
    return [value] if isinstance(value, dict) else []
