"""The example programs: they are programs, and each carries an order to its end, in both dialects."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.panel import HANG_S

from opensmm.web.reference import FOLDER

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RUNNERS = {"order.sh": ("bash", "curl"), "order.php": ("php",), "order.py": ("python3",), "order.mjs": ("node",)}


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


EVERY = pytest.mark.parametrize("name", [pytest.param(name, marks=needs(*runs)) for name, runs in RUNNERS.items()])


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("API_")}
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=HANG_S, check=False, env=environ
    )


@needs("bash")
def test_the_curl_example_parses() -> None:
    assert run("bash", "-n", EXAMPLES / "order.sh").returncode == 0


@needs("php")
def test_the_php_example_parses() -> None:
    assert run("php", "-l", EXAMPLES / "order.php").returncode == 0


@needs("node")
def test_the_node_example_parses() -> None:
    assert run("node", "--check", EXAMPLES / "order.mjs").returncode == 0


def test_the_python_example_parses() -> None:
    compile((EXAMPLES / "order.py").read_text(), "order.py", "exec")


def test_the_pages_show_the_very_same_programs() -> None:
    shown = {"curl.txt": "order.sh", "php.txt": "order.php", "python.txt": "order.py", "node.txt": "order.mjs"}
    for copy, name in shown.items():
        assert (FOLDER / "examples" / copy).read_text() == (EXAMPLES / name).read_text()


@EVERY
@pytest.mark.parametrize("dialect", ["v2", "v1"])
def test_an_example_carries_an_order_to_its_end(name: str, dialect: str, running_panel: Any) -> None:
    done = run(RUNNERS[name][0], EXAMPLES / name, f"{running_panel.url}/api/{dialect}", running_panel.key)
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout.splitlines()[-1].lower()


@EVERY
@pytest.mark.parametrize("dialect", ["v2", "v1"])
def test_an_example_that_is_refused_says_so_and_fails(name: str, dialect: str, running_panel: Any) -> None:
    done = run(RUNNERS[name][0], EXAMPLES / name, f"{running_panel.url}/api/{dialect}", "no-such-key")
    assert done.returncode == 1
    assert "Refused" in done.stderr
