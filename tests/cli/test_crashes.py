"""An error that nobody foresaw is one sentence, an exit code of its own, and a file with the details."""

import errno
import json
import logging
import os
import re
import stat
from pathlib import Path

import pytest
import structlog

from opensmm import cli
from opensmm.runtime.crashes import LEASH, UNAVAILABLE, UNFORESEEN


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """The command line with a verb that fails as none should; details go to a folder of the test's own."""

    def app(**options):
        raise RuntimeError("the floor is lava\nDETAIL: Key (name)=(Ann)")

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["opensmm", "key", "import", "3", "secret-key"])
    return tmp_path


def test_one_sentence_names_the_file_with_the_details(broken, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr().err
    assert (UNFORESEEN, 1) == (ended.value.code, len(printed.splitlines()))
    (path,) = map(Path, re.findall(r"its details are in (\S+)$", printed))
    assert "(RuntimeError: the floor is lava)" in printed
    assert (broken, 0o600) == (path.parent, stat.S_IMODE(path.stat().st_mode))
    details = path.read_text()
    assert "Traceback" in details
    assert "secret-key" not in details


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM]
)
def test_what_the_machine_lacks_is_no_fault_of_ours(broken, capsys, monkeypatch, number):
    def app(**options):
        raise OSError(number, os.strerror(number), "/data/passwords")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    message = f"opensmm: this machine does not allow it: {os.strerror(number)} (/data/passwords)\n"
    assert (UNAVAILABLE, message) == (ended.value.code, capsys.readouterr().err)
    assert [] == list(broken.iterdir())


def test_where_no_file_can_be_kept_the_sentence_says_so(broken, capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(broken / "nowhere"))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert UNFORESEEN == ended.value.code
    assert "could not be saved: No such file or directory" in capsys.readouterr().err


@pytest.fixture
def own_log():
    """Puts the log of this process back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_supervised_process_logs_it(broken, own_log, capsys, monkeypatch):
    monkeypatch.setenv(LEASH, "3")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    line = json.loads(capsys.readouterr().err)
    assert (UNFORESEEN, "error", True) == (ended.value.code, line["level"], "the floor is lava" in line["exception"])
    assert [] == list(broken.iterdir())
