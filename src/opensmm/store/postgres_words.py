"""Words of PostgreSQL's own, by which its refusals are told apart."""

from typing import Final

LOGIN_REFUSED: Final = "password authentication failed"
LEFT_BEHIND: Final = ("pre-existing shared memory block", "lock file")
"""What a killed server leaves behind for a while, and a start waits for."""
HOPELESS: Final = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
    "is not permitted to log in",
    "no password supplied",
    "no such user",
)
"""Words of a refusal that no waiting mends."""
REFUSED_OPTIONS: Final = "unsupported startup parameter"
