"""Texts of PostgreSQL's errors, by which its refusals are told apart."""

from typing import Final

LOGIN_REFUSED: Final = "password authentication failed"
LEFT_BEHIND: Final = ("pre-existing shared memory block", "lock file")
"""Errors about what a killed server leaves behind for a while. A start waits until it is gone."""
HOPELESS: Final = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
    "is not permitted to log in",
    "no password supplied",
    "no such user",
)
"""Refusals that do not go away by waiting."""
REFUSED_OPTIONS: Final = "unsupported startup parameter"
