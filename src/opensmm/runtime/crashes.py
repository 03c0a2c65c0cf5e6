"""Errors that nobody foresaw: one sentence for the person, the details in a file of their own."""

import errno
import os
import platform
import sys
import tempfile
import traceback
from typing import Final

import opensmm

UNFORESEEN: Final = 4
"""The exit code."""
LEASH: Final = "OPENSMM_LEASH"
"""The variable that a supervisor sets for its processes."""
_LACKS: Final = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
)
"""A full disk, one that only reads or fails, and no more files or memory to be had."""
LONGEST: Final = 200


def of_machine(error: OSError) -> str:
    """What the machine lacks, for a person; empty where the error may be a fault of ours."""
    if error.errno not in _LACKS:
        return ""
    place = f" ({error.filename})" if error.filename else ""
    return f"this machine does not allow it: {error.strerror}{place}"


def sentence(error: BaseException) -> str:
    """Keeps the error's traceback in a file that we alone may read; returns what a person is told.

    The words of the command line stay out of it: a key may stand among them.
    """
    name = type(error).__name__
    words = next(iter(str(error).splitlines()), "")[:LONGEST]
    fault = f"{name}: {words}" if words else name
    try:
        handle, path = tempfile.mkstemp(prefix="opensmm-error-", suffix=".txt")
        with os.fdopen(handle, "w", errors="backslashreplace") as file:
            file.write(f"OpenSMM {opensmm.__version__}, Python {platform.python_version()}, {platform.platform()}\n\n")
            traceback.print_exception(error, file=file)
    except OSError as failed:
        return f"this is a fault of OpenSMM's own ({fault}), and its details could not be kept: {failed.strerror}"
    return f"this is a fault of OpenSMM's own ({fault}); its details are in {path}"


def log_and_end(error: BaseException) -> None:
    """In a process that a supervisor started: the details go to the log."""
    import structlog

    from opensmm.runtime import logs

    logs.set_up("info")
    structlog.get_logger().error("this process ends by a fault of ours", exc_info=error, pid=os.getpid())
    sys.exit(UNFORESEEN)
