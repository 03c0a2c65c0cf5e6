"""The units of ``deploy``, as far as systemd checks them without running them."""

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
ANALYZE = shutil.which("systemd-analyze")
PROGRAM = "/opt/opensmm/.venv/bin/opensmm"


@pytest.mark.skipif(ANALYZE is None, reason="systemd not installed")
def test_systemd_accepts_the_units(tmp_path):
    names = ["opensmm.service", "opensmm-verify.service", "opensmm-verify.timer"]
    for name in names:
        (tmp_path / name).write_text((DEPLOY / name).read_text().replace(PROGRAM, "/bin/true"))
    paths = [str(tmp_path / name) for name in names]
    checked = subprocess.run([str(ANALYZE), "verify", *paths], capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stderr)
