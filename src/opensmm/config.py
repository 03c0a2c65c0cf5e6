"""How this panel is set up: read once from the environment and the command line, then handed around."""

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured

DEFAULT_DATA: Final = Path("data")
PEPPER_BYTES: Final = (32, 64)
"""The least and the most of it, as the keyed hash takes."""
LONGEST_TIMEOUT_S: Final = 120
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Config:
    """``database_url`` is the app's role, ``database_admin_url`` the owner's; neither: the embedded PostgreSQL.

    ``provider_timeout_s`` bounds a call to a provider. ``trusted_proxies``: addresses, separated by commas, whose word
    on the client's address is taken. ``requests_per_second`` bounds one API key; 0 does not. ``private_providers``:
    providers may be at loopback and private addresses, and without TLS.
    Messages below ``log_level`` are not logged.
    """

    data: Path
    database_url: str = field(default="", repr=False)
    database_admin_url: str = field(default="", repr=False)
    given_pepper: str = field(default="", repr=False)
    provider_timeout_s: float = 20.0
    trusted_proxies: str = ""
    requests_per_second: int = 0
    private_providers: bool = False
    log_level: str = "info"

    def pepper(self) -> bytes:
        """The secret that keys are hashed with; the first use writes it to the data folder, readable by us alone.

        Raises Misconfigured where it is no such secret.
        """
        return _checked(self.given_pepper or _kept_pepper(self.data / "pepper"))

    def common_pepper(self) -> bytes:
        """The same for a process that may be one of many: beside a PostgreSQL of your own none is made.

        Another pepper than the rest have would refuse every customer's key. Raises Misconfigured.
        """
        if self.database_url and not self.given_pepper and not (self.data / "pepper").exists():
            raise Misconfigured(SetupCode.PEPPER_NOT_COPIED, folder=str(self.data))
        return self.pepper()

    def standing_pepper(self) -> bytes:
        """The same where it has to be there already; raises Misconfigured where it is not."""
        if not self.given_pepper and not (self.data / "pepper").exists():
            raise Misconfigured(SetupCode.PEPPER_MISSING, folder=str(self.data))
        return self.pepper()

    def known_pepper(self) -> bytes | None:
        """The same; None, and nothing is written, where there is none that can be read. It may be none of ours."""
        with contextlib.suppress(OSError):
            return self.given_pepper.encode() or (self.data / "pepper").read_bytes().strip()
        return None


def read(data: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Raises Misconfigured where what is set contradicts itself."""
    config = Config(
        data=(data or DEFAULT_DATA).resolve(),
        database_url=environ.get("DATABASE_URL", ""),
        database_admin_url=environ.get("DATABASE_ADMIN_URL", ""),
        given_pepper=environ.get("OPENSMM_PEPPER", ""),
        provider_timeout_s=_seconds(environ.get("OPENSMM_PROVIDER_TIMEOUT", "20")),
        trusted_proxies=environ.get("OPENSMM_TRUSTED_PROXIES", ""),
        requests_per_second=_count(environ.get("OPENSMM_REQUESTS_PER_SECOND", "0")),
        private_providers=_flag(environ.get("OPENSMM_PRIVATE_PROVIDERS", "0")),
        log_level=_level(environ.get("OPENSMM_LOG_LEVEL", "info")),
    )
    if config.database_admin_url and not config.database_url:
        raise Misconfigured(SetupCode.OWNER_WITHOUT_APP)
    for name in ("DATABASE_URL", "DATABASE_ADMIN_URL"):
        _check_address(name, environ.get(name, ""))
    if config.given_pepper:
        _checked(config.given_pepper)
    return config


def _check_address(name: str, url: str) -> None:
    """Refuses what leads to no database wherever it is tried. The driver's own words may hold the password."""
    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        raise Misconfigured(SetupCode.BAD_DATABASE_URL, variable=name) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise Misconfigured(SetupCode.BAD_PROVIDER_TIMEOUT, value=text, most=LONGEST_TIMEOUT_S)
    return seconds


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Misconfigured(SetupCode.BAD_REQUEST_LIMIT, value=text)
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise Misconfigured(SetupCode.BAD_PRIVATE_PROVIDERS, value=text)
    return text == "1"


def _level(text: str) -> str:
    level = text.lower()
    if level not in LOG_LEVELS:
        raise Misconfigured(SetupCode.BAD_LOG_LEVEL, value=text, levels=LOG_LEVELS)
    return level


def _checked(pepper: str) -> bytes:
    least, most = PEPPER_BYTES
    if not least <= len(pepper.encode()) <= most:
        raise Misconfigured(SetupCode.PEPPER_LENGTH, least=least, most=most)
    return pepper.encode()


def _kept_pepper(path: Path) -> str:
    try:
        if not path.exists():
            make_folder(path.parent)
            keep_secret(path, secrets.token_hex(32))
        return path.read_text().strip()
    except UnicodeDecodeError:
        raise Misconfigured(SetupCode.PEPPER_NOT_TEXT, path=str(path)) from None
    except OSError as refused:
        raise Misconfigured(SetupCode.PEPPER_INACCESSIBLE, path=str(path), words=refused.strerror) from refused


def make_folder(path: Path) -> None:
    """Makes the data folder where there is none; raises Misconfigured where there can be none."""
    try:
        # Whoever may write in a folder above it may put another one in its place, whatever the umask.
        for folder in reversed([above for above in path.parents if not above.exists()]):
            folder.mkdir(mode=0o755, exist_ok=True)
        path.mkdir(mode=0o711, exist_ok=True)
    except OSError as error:
        raise Misconfigured(SetupCode.DATA_FOLDER_NOT_MADE, folder=str(path), words=error.strerror) from error


def keep_secret(path: Path, text: str) -> None:
    """Writes a file of mode 0600, whole or not at all; where there is one already, that one stays."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
