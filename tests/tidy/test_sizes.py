"""Small enough to be read: functions, files, names."""

import ast
import re

from tests.tidy import source

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 500
EMPTY_NAMES = {"manager", "managers", "handler", "handlers", "utils", "helpers", "common"}
# Put together from halves, so that this file does not find itself.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "type:" + " ignore")))


def functions(path):
    for node in ast.walk(source.tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_function_is_longer_than_a_screen():
    long = [
        f"{source.shown(path)}:{node.lineno}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in source.files()
        for node in functions(path)
        if node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert [] == long


def test_no_file_is_too_long_to_be_read_at_once():
    long = [
        f"{source.shown(path)} has {count} lines"
        for path in source.files()
        if (count := len(path.read_text().splitlines())) > MAX_FILE_LINES
    ]
    assert [] == long


def test_no_module_has_a_name_that_says_nothing():
    empty = [source.shown(path) for path in source.files() if {path.stem, path.parent.name} & EMPTY_NAMES]
    assert [] == empty


def test_nothing_is_left_for_later_and_no_type_is_waved_through():
    unfinished = [
        f"{source.shown(path)}:{number}"
        for path in source.files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert [] == unfinished
