"""A verb imports what it needs: none pays for the server, the HTTP client, the schema's tools or the benchmarks."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from opensmm.cli import VERBS, app

HEAVY = ("uvicorn", "aiohttp", "django", "bench", "uvloop", "prometheus_client", "opensmm.worker", "opensmm.api")
PROBE = f"""
import sys
from opensmm.cli import app
try:
    app(sys.argv[1:])
finally:
    sys.stderr.write("loaded: " + " ".join(name for name in {HEAVY} if name in sys.modules) + "\\n")
"""
LIGHT = (
    ["health"],
    ["verify"],
    ["topup", "1", "1.00", "--gateway", "bank", "--id", "1"],
    ["customer", "list"],
    ["customer", "add", "--name", "Alpha"],
    ["key", "revoke", "1"],
    ["service", "list"],
    ["service", "show", "1"],
    ["price-list", "list"],
    ["provider", "list"],
    ["route", "list", "1"],
    ["policy", "show"],
    ["staff", "list"],
    ["orders", "show", "1"],
    ["orders", "list"],
    ["orders", "cancel", "1", "--reason", "asked for"],
)


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_a_light_verb_imports_nothing_heavy(database, tmp_path, words):
    environ = {"DATABASE_URL": database.app_url, "OPENSMM_PEPPER": "p" * 32, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words, "--data", str(tmp_path)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "loaded: \n" == done.stderr.splitlines(keepends=True)[-1], done.stderr
    assert done.returncode in ((1, 2) if words == ["health"] else (0, 1)), done.stderr


def test_what_supervises_does_not_load_the_server():
    program = f"import sys, opensmm.cli.serving; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout


def commands(group, path=()):
    """Every verb below a group, by the words that call it."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_every_verb_has_a_help_text_of_its_own_name():
    by_name = dict(commands(typer.main.get_command(app)))
    assert {"orders cancel", "service quarantine list", "provider follow", "serve"} <= {
        " ".join(words) for words in by_name
    }
    for words, command in by_name.items():
        assert words[-1] == command.name
        assert command.hidden or command.help, words


def test_the_help_of_everything_names_every_group():
    result = CliRunner().invoke(app, ["--help"])
    assert 0 == result.exit_code
    assert all(f" {name} " in result.stdout for name in VERBS)


def test_a_verb_that_is_not_there_is_named():
    result = CliRunner().invoke(app, ["orders", "nosuch"])
    assert (2, True) == (result.exit_code, "nosuch" in result.output)


def groups(command, *words):
    """Every group and verb, with the words that call it."""
    yield words, command
    for name in getattr(command, "list_commands", lambda ctx: [])(None):
        yield from groups(command.get_command(None, name), *words, name)


def test_help_cuts_no_option_and_no_verb_on_a_narrow_terminal():
    for words, command in groups(typer.main.get_command(app)):
        printed = CliRunner().invoke(app, [*words, "--help"], terminal_width=80).stdout
        assert "╭" not in printed, words
        assert "..." not in printed.partition("\nCommands:")[2], words
        for option in (one for one in command.params if not getattr(one, "hidden", False)):
            assert all(name in printed for name in option.opts if name.startswith("-")), (words, option.name)
