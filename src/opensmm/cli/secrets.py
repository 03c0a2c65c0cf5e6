"""Secrets are read unseen: an argument would appear in the list of processes and in the shell's history."""

import getpass
import sys
from pathlib import Path
from typing import Final

from opensmm.cli.context import MISUSED, fail

STANDARD_INPUT: Final = "-"


def read_secret(file: str, prompt: str, missing: str) -> str:
    """Reads a secret from a file, from standard input if the file is ``-``, or as it is typed, unseen.

    Ends the verb with ``missing`` if nobody is there to type it.
    """
    if file == STANDARD_INPUT:
        return sys.stdin.readline().strip()
    if file:
        try:
            return Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            fail(f"the key cannot be read: {error}", MISUSED)
    if not sys.stdin.isatty():
        fail(missing, MISUSED)
    return getpass.getpass(prompt).strip()
