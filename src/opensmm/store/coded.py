"""Codes with fields as a text column stores them: one JSON object each."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import msgspec

Code = TypeVar("Code", bound=StrEnum)
Value = TypeVar("Value")


def encode(code: StrEnum, fields: Mapping[str, object]) -> str:
    return msgspec.json.encode({"code": code, **fields}).decode()


def decode(stored: str, codes: type[Code], form: type[dict[str, Value]]) -> tuple[Code, dict[str, Value]] | None:
    """Returns the code and its fields.

    Returns None for a text of another form, as older releases stored them, and for a code that this release does not
    know.
    """
    try:
        fields = msgspec.json.decode(stored, type=form)
    except msgspec.DecodeError:
        return None
    value = fields.pop("code", None)
    code = next((member for member in codes if member == value), None)
    return None if code is None else (code, fields)
