"""Exceptions: for what must not happen. What a caller may expect is a value (``domain.refusals``)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar

from opensmm.base.error_codes import OutageCode, SetupCode

Code = TypeVar("Code", bound=StrEnum)


class PanelError(Exception):
    """The root of our own exceptions."""


class CodedError(PanelError, Generic[Code]):
    """A fault whose ``fields`` fill the words that ``texts`` has for its ``code``."""

    def __init__(self, code: Code, **fields: object) -> None:
        super().__init__(code.value, fields)
        self.code = code
        self.fields: Mapping[str, Any] = fields

    def __str__(self) -> str:
        """The code and its fields, for a log."""
        return " ".join((self.code.value, *(f"{name}={value}" for name, value in self.fields.items())))


class Unavailable(CodedError[OutageCode]):
    """A fault of the moment: the whole request failed, nothing of it is kept, and it may be tried again."""


class Overloaded(Unavailable):
    """More callers wait than the bound allows; try again later."""


class CommitUnknown(Unavailable):
    """COMMIT was sent and its outcome could not be learned in time."""


class Misconfigured(CodedError[SetupCode]):
    """The panel cannot start as it is set up."""
