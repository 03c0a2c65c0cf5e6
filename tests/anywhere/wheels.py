"""One shared folder of wheels for each version of Python, so that set-ups download nothing twice."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from tests.anywhere.site import CHECKOUT

LOCKS = ("requirements.txt", "requirements-dev.txt")
_TURN = threading.Lock()
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opensmm-wheels"


def wheels(python: str, version: str, to: Path) -> Path:
    """A folder that everyone may read with all locked wheels for ``python``; downloads what the cache lacks."""
    cache, shared = KEPT / version, to / version
    locks = hashlib.sha256(b"".join((CHECKOUT / lock).read_bytes() for lock in LOCKS)).hexdigest()
    with _TURN:
        if not (cache / locks).exists():
            _download(python, cache)
            (cache / locks).touch()
    shutil.copytree(cache, shared)
    shared.chmod(0o755)
    for wheel in shared.iterdir():
        wheel.chmod(0o644)
    (shared / "uv.toml").write_text(f'no-index = true\nfind-links = ["{shared}"]\n')
    return shared


def _download(python: str, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        options = ("--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--require-hashes")
        command = [f"{folder}/bin/python", "-m", "pip", "download", *options, "--dest", str(cache), "-r", LOCKS[1]]
        subprocess.run(command, cwd=CHECKOUT, check=True)
