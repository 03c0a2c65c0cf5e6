"""A code and its fields as a text column stores them: one JSON object."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import msgspec

Code = TypeVar("Code", bound=StrEnum)
Value = TypeVar("Value")


def written(code: StrEnum, fields: Mapping[str, object]) -> str:
    return msgspec.json.encode({"code": code, **fields}).decode()


def read(stored: str, codes: type[Code], shape: type[dict[str, Value]]) -> tuple[Code, dict[str, Value]] | None:
    """Returns the code and its fields; None for a text that is not of this ``shape``, as older releases stored, and
    for a code that this release does not know."""
    try:
        fields = msgspec.json.decode(stored, type=shape)
    except msgspec.DecodeError:
        return None
    told = fields.pop("code", None)
    code = next((known for known in codes if known == told), None)
    return None if code is None else (code, fields)
