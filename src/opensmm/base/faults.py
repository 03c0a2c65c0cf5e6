"""Exceptions: for what must not happen. What a caller may expect is a value (``domain.refusals``)."""


class Fault(Exception):
    """The root of our own exceptions."""


class Unavailable(Fault):
    """A fault of the moment: the whole request failed, nothing of it is kept, and it may be tried again."""


class Overloaded(Unavailable):
    """More callers wait than the bound allows; try again later."""


class Unsettled(Unavailable):
    """COMMIT was sent and its outcome could not be learned in time."""


class Misconfigured(Fault):
    """The panel cannot start as it is set up; the text says what to change."""
