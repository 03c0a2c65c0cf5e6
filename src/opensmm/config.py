"""The panel's settings, read once from the environment and the command line."""

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
"""The smallest and the greatest length, as the keyed hash allows."""
LONGEST_TIMEOUT_S: Final = 120
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Config:
    """The settings. ``database_url`` is for the app's role, ``database_admin_url`` for the owner's.

    Without the two, PostgreSQL is embedded. ``provider_timeout_s`` is the timeout of a call to a provider.
    ``trusted_proxies``: addresses, separated by commas, whose report of the client's address is trusted.
    ``requests_per_second`` limits one API key; 0 is no limit. ``private_providers``: providers may be at loopback and
    private addresses, and without TLS. Events below ``log_level`` are not logged.
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
        """Returns the secret that keys are hashed with. The first use makes one in the data folder, readable only
        by us.

        Raises Misconfigured if it cannot be read or has the wrong length.
        """
        return _check_pepper(self.given_pepper or _read_or_make_pepper(self.data / "pepper"))

    def shared_pepper(self) -> bytes:
        """Returns the pepper for a process that may be one of many: makes none beside an external PostgreSQL.

        Every process needs the same one, or it would refuse every key. Raises Misconfigured if there is none.
        """
        if self.database_url and not self.given_pepper and not (self.data / "pepper").exists():
            raise Misconfigured(SetupCode.PEPPER_NOT_COPIED, folder=str(self.data))
        return self.pepper()

    def existing_pepper(self) -> bytes:
        """Returns the pepper without making one. Raises Misconfigured if there is none."""
        if not self.given_pepper and not (self.data / "pepper").exists():
            raise Misconfigured(SetupCode.PEPPER_MISSING, folder=str(self.data))
        return self.pepper()

    def readable_pepper(self) -> bytes | None:
        """Returns the pepper unchecked, without making one; None if there is none or it cannot be read."""
        with contextlib.suppress(OSError):
            return self.given_pepper.encode() or (self.data / "pepper").read_bytes().strip()
        return None


def read(data: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Reads the settings. Raises Misconfigured if one is malformed, or if they contradict each other."""
    config = Config(
        data=(data or DEFAULT_DATA).resolve(),
        database_url=environ.get("DATABASE_URL", ""),
        database_admin_url=environ.get("DATABASE_ADMIN_URL", ""),
        given_pepper=environ.get("OPENSMM_PEPPER", ""),
        provider_timeout_s=_read_seconds(environ.get("OPENSMM_PROVIDER_TIMEOUT", "20")),
        trusted_proxies=environ.get("OPENSMM_TRUSTED_PROXIES", ""),
        requests_per_second=_read_count(environ.get("OPENSMM_REQUESTS_PER_SECOND", "0")),
        private_providers=_read_flag(environ.get("OPENSMM_PRIVATE_PROVIDERS", "0")),
        log_level=_read_level(environ.get("OPENSMM_LOG_LEVEL", "info")),
    )
    if config.database_admin_url and not config.database_url:
        raise Misconfigured(SetupCode.OWNER_WITHOUT_APP)
    for name in ("DATABASE_URL", "DATABASE_ADMIN_URL"):
        _check_address(name, environ.get(name, ""))
    if config.given_pepper:
        _check_pepper(config.given_pepper)
    return config


def _check_address(name: str, url: str) -> None:
    """Raises Misconfigured for a malformed URL, without the driver's error, which may contain the password."""
    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        raise Misconfigured(SetupCode.BAD_DATABASE_URL, variable=name) from None


def _read_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise Misconfigured(SetupCode.BAD_PROVIDER_TIMEOUT, value=text, most=LONGEST_TIMEOUT_S)
    return seconds


def _read_count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Misconfigured(SetupCode.BAD_REQUEST_LIMIT, value=text)
    return int(text)


def _read_flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise Misconfigured(SetupCode.BAD_PRIVATE_PROVIDERS, value=text)
    return text == "1"


def _read_level(text: str) -> str:
    level = text.lower()
    if level not in LOG_LEVELS:
        raise Misconfigured(SetupCode.BAD_LOG_LEVEL, value=text, levels=LOG_LEVELS)
    return level


def _check_pepper(pepper: str) -> bytes:
    least, most = PEPPER_BYTES
    if not least <= len(pepper.encode()) <= most:
        raise Misconfigured(SetupCode.PEPPER_LENGTH, least=least, most=most)
    return pepper.encode()


def _read_or_make_pepper(path: Path) -> str:
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
    """Makes the data folder if it is missing. Raises Misconfigured if it cannot."""
    try:
        # Modes are set whatever the umask: who may write to a parent folder could replace the data folder.
        for folder in reversed([above for above in path.parents if not above.exists()]):
            folder.mkdir(mode=0o755, exist_ok=True)
        path.mkdir(mode=0o711, exist_ok=True)
    except OSError as error:
        raise Misconfigured(SetupCode.DATA_FOLDER_NOT_MADE, folder=str(path), words=error.strerror) from error


def keep_secret(path: Path, text: str) -> None:
    """Writes a file of mode 0600 atomically. An existing file stays as it is."""
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
