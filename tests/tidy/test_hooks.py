"""What runs before a commit is what the checks run: the locked tools, nothing downloaded."""

import re

from tests.tidy.source import ROOT

HOOKS = (ROOT / ".pre-commit-config.yaml").read_text()


def test_the_hooks_before_a_commit_are_the_checks():
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    checks = re.findall(r"\$\(BIN\)/(.+)", recipe)
    assert re.findall(r"entry: \.venv/bin/(.+)", HOOKS) == checks


def test_the_hooks_are_of_this_repository():
    assert set(re.findall(r"repo: (.+)", HOOKS)) == {"local"}
    assert set(re.findall(r"language: (.+)", HOOKS)) == {"system"}
