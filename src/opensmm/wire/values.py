"""Single values in providers' answers: ids, numbers and currencies, read leniently."""

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from enum import Enum
from typing import Final, TypeAlias

from opensmm.base.ids import order_key
from opensmm.domain.provider_ids import is_provider_id


class AmbiguousValue(Enum):
    """Marks a name that an answer holds twice with different values: neither value counts, nor is it absent."""

    TWICE = "twice"


Json: TypeAlias = "str | bool | list[Json] | dict[str, Json] | AmbiguousValue | None"
"""Numbers stay the text in which they arrived, so that none loses digits or overflows."""

MAX_AMOUNT: Final = 10**15
MAX_DIGITS: Final = 1200
"""Most characters of a number; a program's exact fractions have some hundred."""
MAX_DECIMALS: Final = 18
_SMALLEST: Final = Decimal(1).scaleb(-MAX_DECIMALS)

BLANKS: Final = "\ufeff \t\r\n"
_WHOLE: Final = re.compile(r"(-?[0-9]{1,18})(?:\.0{1,18})?")
_AMOUNT: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_GROUPED: Final = re.compile(r"-?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_ONE_DOTTED_GROUP: Final = re.compile(r"-?[1-9][0-9]{0,2}\.000")
_ONE_GROUP: Final = re.compile(r"-?[1-9][0-9]{0,2},[0-9]{3}")
_DECIMAL_COMMA: Final = re.compile(
    r"-?(?:0|[0-9]{1,40}(?=,(?![0-9]{3}\Z))|[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?=,)|[0-9]{4,40}(?=,)),[0-9]+"
)
MAX_NUMBER_WORDS: Final = 40
"""Most characters kept of a text in the place of a number."""
_ABSENT: Final = ("", "null", "none", "undefined")
_DIGIT: Final = re.compile(r"[0-9]")
_MARK: Final = r"([A-Za-z]{0,3}[$\u00a2-\u00a5\u20a0-\u20cf\u0e3f\ufdfc]|[A-Za-z]{3})?"
_MARKED: Final = re.compile(rf"{_MARK}[ \u00a0\u202f]?(-?[0-9][0-9.,]*)[ \u00a0\u202f]?{_MARK}")
"""A number with a currency's sign or code before or after it."""
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


def comparable_id(value: Json) -> str:
    """Returns one spelling per id, for comparing: ``"007"``, ``7`` and ``7.0`` are the same."""
    text = _read_text(value)
    return order_key(text) or "0" if text else ""


def _read_text(value: Json) -> str:
    """Returns an id's own text; a whole number written as a fraction becomes that number."""
    if not isinstance(value, str):
        return ""
    text = value.strip(BLANKS)
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def read_id(value: Json) -> str:
    """Returns an id above 0 as its provider wrote it, as a number or a text; empty if the value is none."""
    text = _read_text(value)
    return text if is_provider_id(text) else ""


def _normalise_number(value: Json) -> str:
    """Returns a number without thousands separators, and with a point before its decimals.

    A group of thousands never begins with 0: ``0,900`` has decimals, and so has any number that is not in whole groups.
    """
    if not isinstance(value, str) or len(value) > MAX_DIGITS:
        return ""
    text = value.strip(BLANKS)
    if "," not in text:
        return text
    if _GROUPED.fullmatch(text):
        return text.replace(",", "")
    return text.replace(".", "").replace(",", ".") if writes_decimal_comma(text) else text


def writes_decimal_comma(value: Json) -> bool:
    """True if a number can only be read with a comma before its decimals."""
    return isinstance(value, str) and len(value) <= MAX_DIGITS and bool(_DECIMAL_COMMA.fullmatch(value.strip(BLANKS)))


def may_be_thousands(value: Json) -> bool:
    """True if a number's comma may either group thousands or stand before decimals."""
    return isinstance(value, str) and bool(_ONE_GROUP.fullmatch(value.strip(BLANKS)))


def read_count(value: Json) -> int | None:
    """Reads a whole number, as a number or a text; None for anything else.

    ``12.000`` is none either: it may be twelve, or twelve thousand with a point between its groups.
    """
    text = _normalise_number(value)
    whole = None if _ONE_DOTTED_GROUP.fullmatch(text) else _WHOLE.fullmatch(text)
    return int(whole[1]) if whole else None


def read_count_or_text(value: Json) -> tuple[int | None, str]:
    """Reads a whole number, or the text in its place; neither if the value is absent."""
    number = read_count(value)
    text = value.strip(BLANKS) if number is None and isinstance(value, str) else ""
    return number, "" if text.lower() in _ABSENT else text[:MAX_NUMBER_WORDS]


def read_charge_or_text(value: Json, stated_currency: str) -> tuple[Decimal | None, str, str]:
    """Reads a charge, or the text in its place if it has digits; also returns its currency.

    A currency sign beside the number is skipped, and so is a code, unless it contradicts the stated currency. A comma
    before three digits is unclear: it may stand before thousands or before decimals.
    """
    if not isinstance(value, str) or not _DIGIT.search(value):
        return None, "", stated_currency
    text = value.strip(BLANKS)
    number, code = _split_currency(text)
    if code and code != (stated_currency or code):
        number = text
    charge = None if may_be_thousands(number) else read_amount(number)
    unclear = number if may_be_thousands(number) else text
    return charge, unclear[:MAX_NUMBER_WORDS] if charge is None else "", stated_currency or code


def _split_currency(text: str) -> tuple[str, str]:
    """Returns a number without the currency's sign or code beside it, and that code."""
    marked = _MARKED.fullmatch(text)
    if marked is None or (marked[1] and marked[3]):
        return text, ""
    return marked[2], read_currency(marked[1] or marked[3])


def read_amount(value: Json, rounding: str = ROUND_CEILING) -> Decimal | None:
    """Reads a number, as a number or a text such as "1,234.56"; None for anything else, or if it is too large.

    Beyond MAX_DECIMALS it is rounded, by default up: it may be a cost.
    """
    text = _normalise_number(value)
    if not _AMOUNT.fullmatch(text):
        return None
    number = Decimal(text)
    if abs(number) >= MAX_AMOUNT:
        return None
    places = number.as_tuple().exponent
    if isinstance(places, int) and places >= -MAX_DECIMALS:
        return number
    with localcontext(prec=60):
        return number.quantize(_SMALLEST, rounding)


def read_currency(value: Json) -> str:
    """Reads a currency's code into capitals; empty for anything else."""
    return value.upper() if isinstance(value, str) and _CURRENCY.fullmatch(value) else ""
