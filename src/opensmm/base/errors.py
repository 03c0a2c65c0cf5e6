"""Exceptions for unexpected failures. Expected refusals of a request are values (``domain.request_refusals``)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar

from opensmm.base.error_codes import OutageCode, SetupCode

Code = TypeVar("Code", bound=StrEnum)


class PanelError(Exception):
    """The base class of this package's exceptions."""


class CodedError(PanelError, Generic[Code]):
    """An error whose ``fields`` fill the placeholders of its ``code``'s text in ``texts``."""

    def __init__(self, code: Code, **fields: object) -> None:
        super().__init__(code.value, fields)
        self.code = code
        self.fields: Mapping[str, Any] = fields

    def __str__(self) -> str:
        """The code and its fields, for a log."""
        return " ".join((self.code.value, *(f"{name}={value}" for name, value in self.fields.items())))


class Unavailable(CodedError[OutageCode]):
    """A temporary failure of a whole request: nothing of it was written, and it may be retried."""


class Overloaded(Unavailable):
    """A queue is full; the request may be retried later."""


class CommitUnknown(Unavailable):
    """COMMIT was sent, and it is unknown if the transaction committed."""


class Misconfigured(CodedError[SetupCode]):
    """A fault of the setup with which the panel cannot start."""
