"""Single values in answers of providers: ids, numbers and currencies, read leniently."""

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from enum import Enum
from typing import Final, TypeAlias

from opensmm.base.ids import order_key
from opensmm.domain.provider_ids import is_provider_id


class AmbiguousValue(Enum):
    """Stands where an answer says two things at once: neither of them, and not nothing either."""

    TWICE = "twice"


Json: TypeAlias = "str | bool | list[Json] | dict[str, Json] | AmbiguousValue | None"
"""Numbers stay the text they arrived as, so that none is too big, too exact or no number at all."""

MAX_AMOUNT: Final = 10**15
MAX_DIGITS: Final = 1200
"""Characters of a number; a program's exact fractions have some hundred."""
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
"""Characters of what stands in the place of a number."""
_ABSENT: Final = ("", "null", "none", "undefined")
_DIGIT: Final = re.compile(r"[0-9]")
_MARK: Final = r"([A-Za-z]{0,3}[$\u00a2-\u00a5\u20a0-\u20cf\u0e3f\ufdfc]|[A-Za-z]{3})?"
_MARKED: Final = re.compile(rf"{_MARK}[ \u00a0\u202f]?(-?[0-9][0-9.,]*)[ \u00a0\u202f]?{_MARK}")
"""A number with the sign, or the code, of a currency before or behind it."""
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


def same(which: Json) -> str:
    """One spelling per id, to compare by: ``"007"``, ``7`` and ``7.0`` are the same."""
    text = _as_written(which)
    return order_key(text) or "0" if text else ""


def _as_written(which: Json) -> str:
    """An id's own text; a whole number that a program wrote as a fraction is that number."""
    if not isinstance(which, str):
        return ""
    text = which.strip(BLANKS)
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def provider_id(told: Json) -> str:
    """An id above 0 as its provider wrote it, a number or a text; empty where it is none."""
    text = _as_written(told)
    return text if is_provider_id(text) else ""


def _plain_number(told: Json) -> str:
    """A number without the marks of its thousands, and with a point before its decimals.

    A group of thousands never begins with 0, so that ``0,900`` has decimals, and so has whatever is no whole groups.
    """
    if not isinstance(told, str) or len(told) > MAX_DIGITS:
        return ""
    text = told.strip(BLANKS)
    if "," not in text:
        return text
    if _GROUPED.fullmatch(text):
        return text.replace(",", "")
    return text.replace(".", "").replace(",", ".") if writes_decimal_comma(text) else text


def writes_decimal_comma(told: Json) -> bool:
    """Whether a number can only be one whose decimals stand behind a comma."""
    return isinstance(told, str) and len(told) <= MAX_DIGITS and bool(_DECIMAL_COMMA.fullmatch(told.strip(BLANKS)))


def may_be_thousands(told: Json) -> bool:
    """Whether a comma may group a number's thousands or stand before its decimals."""
    return isinstance(told, str) and bool(_ONE_GROUP.fullmatch(told.strip(BLANKS)))


def count(told: Json) -> int | None:
    """A whole number, as a number or a text; None where it is none.

    ``12.000`` is none either: it may be twelve, or twelve thousand with a point between its groups.
    """
    text = _plain_number(told)
    whole = None if _ONE_DOTTED_GROUP.fullmatch(text) else _WHOLE.fullmatch(text)
    return int(whole[1]) if whole else None


def count_or_words(told: Json) -> tuple[int | None, str]:
    """A whole number, or the words that stand in its place; neither where nothing is told."""
    number = count(told)
    words = told.strip(BLANKS) if number is None and isinstance(told, str) else ""
    return number, "" if words.lower() in _ABSENT else words[:MAX_NUMBER_WORDS]


def charge_or_words(told: Json, told_currency: str) -> tuple[Decimal | None, str, str]:
    """A charge, or the words that stand in its place where they have digits, and its currency.

    A sign of a currency beside it is read past, and so is a code that is the currency told, or tells it. A comma before
    three digits may stand before thousands or before decimals.
    """
    if not isinstance(told, str) or not _DIGIT.search(told):
        return None, "", told_currency
    text = told.strip(BLANKS)
    number, code = _unmarked(text)
    if code and code != (told_currency or code):
        number = text
    read = None if may_be_thousands(number) else amount(number)
    words = number if may_be_thousands(number) else text
    return read, words[:MAX_NUMBER_WORDS] if read is None else "", told_currency or code


def _unmarked(text: str) -> tuple[str, str]:
    """A number without the sign or the code of a currency beside it, and that code."""
    found = _MARKED.fullmatch(text)
    if found is None or (found[1] and found[3]):
        return text, ""
    return found[2], currency(found[1] or found[3])


def amount(told: Json, rounding: str = ROUND_CEILING) -> Decimal | None:
    """A number, as a number or a text such as "1,234.56"; None where it is none, or too large.

    Beyond MAX_DECIMALS it is rounded, up where nothing else is said: it may be what something costs.
    """
    text = _plain_number(told)
    if not _AMOUNT.fullmatch(text):
        return None
    read = Decimal(text)
    if abs(read) >= MAX_AMOUNT:
        return None
    places = read.as_tuple().exponent
    if isinstance(places, int) and places >= -MAX_DECIMALS:
        return read
    with localcontext(prec=60):
        return read.quantize(_SMALLEST, rounding)


def currency(told: Json) -> str:
    return told.upper() if isinstance(told, str) and _CURRENCY.fullmatch(told) else ""
