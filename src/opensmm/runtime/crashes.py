"""Unforeseen errors: one sentence for the operator, and the details in a file."""

import errno
import os
import platform
import sys
import tempfile
import traceback
from typing import Final

import opensmm

UNAVAILABLE: Final = 3
"""The exit code if the panel is not set up, its database does not answer, or the machine lacks something."""
UNFORESEEN: Final = 4
"""The exit code after an unforeseen error."""
LEASH: Final = "OPENSMM_LEASH"
"""The variable that a supervisor sets for its processes."""
_MACHINE_ERRORS: Final = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
)
"""A disk that is full, read-only or broken; no more files; no more memory."""
MAX_WORDS: Final = 200
"""Characters of an error's text in the sentence."""


def describe_machine_error(error: OSError) -> str:
    """Describes a lack of the machine for the operator. Returns an empty text if the error may be a bug of ours."""
    if error.errno not in _MACHINE_ERRORS:
        return ""
    place = f" ({error.filename})" if error.filename else ""
    return f"this machine does not allow it: {error.strerror}{place}"


def report_crash(error: BaseException) -> str:
    """Writes the traceback of an error to a file that only we may read. Returns the sentence for the operator.

    The file leaves out the command line's arguments, which may contain a key.
    """
    name = type(error).__name__
    words = next(iter(str(error).splitlines()), "")[:MAX_WORDS]
    fault = f"{name}: {words}" if words else name
    try:
        handle, path = tempfile.mkstemp(prefix="opensmm-error-", suffix=".txt")
        with os.fdopen(handle, "w", errors="backslashreplace") as file:
            file.write(f"OpenSMM {opensmm.__version__}, Python {platform.python_version()}, {platform.platform()}\n\n")
            traceback.print_exception(error, file=file)
    except OSError as failed:
        return f"this is a bug in OpenSMM ({fault}), and its details could not be saved: {failed.strerror}"
    return f"this is a bug in OpenSMM ({fault}); its details are in {path}"


def log_and_end(error: BaseException) -> None:
    """Logs an error with its details and ends this process, which a supervisor has started."""
    # The command line loads this module for every verb, and needs no log.
    import structlog

    from opensmm.runtime import logs

    logs.set_up("info")
    structlog.get_logger().error("this process ends by a fault of ours", exc_info=error, pid=os.getpid())
    sys.exit(UNFORESEEN)
