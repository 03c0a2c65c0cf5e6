"""Names and longer texts that an operator types: the one rule for which characters they may have."""

import re
from typing import Final

from opensmm.domain.codes import FieldCode
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode

_CONTROLS: Final = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029"
_DIRECTIONS: Final = "\u202a-\u202e\u2066-\u2069"
_UNFIT_TEXT: Final = re.compile(f"[{_CONTROLS}{_DIRECTIONS}]")
_UNFIT_NAME: Final = re.compile(f"[\t\n{_CONTROLS}{_DIRECTIONS}]")


def name_refusal(text: str, most: int, field: FieldCode = FieldCode.NAME) -> OperatorRefusal | None:
    """Returns the refusal of a name that is not 1 to ``most`` characters on one line; None if the name is allowed.

    Control characters are refused, and so are those that change the writing direction of the text around them. Marks
    that a script needs within a word, such as joiners, are allowed.
    """
    if not text.strip():
        return OperatorRefusal(RefusalCode.FIELD_BLANK, field=field)
    return _refuse(text, most, field, _UNFIT_NAME)


def text_refusal(text: str, most: int, field: FieldCode) -> OperatorRefusal | None:
    """Returns the refusal of a text that has unfit characters or more than ``most``; None if the text is allowed.

    A text may be empty, and have tabs and several lines.
    """
    return _refuse(text, most, field, _UNFIT_TEXT)


def _refuse(text: str, most: int, field: FieldCode, unfit: re.Pattern[str]) -> OperatorRefusal | None:
    if len(text) > most:
        return OperatorRefusal(RefusalCode.FIELD_TOO_LONG, field=field, most=most)
    if unfit.search(text):
        return OperatorRefusal(RefusalCode.FIELD_UNFIT, field=field)
    return None


def clean_name(text: str) -> str:
    """Removes what no name may have from a name that somebody else gave; a line break becomes a blank.

    The result may be blank.
    """
    return _UNFIT_TEXT.sub("", text.replace("\r", " ").replace("\n", " ").replace("\t", " ")).strip()


def clean_text(text: str) -> str:
    """Removes what no text may have from a longer text that somebody else gave."""
    return _UNFIT_TEXT.sub("", text).strip()


def check_name(text: str, most: int, field: FieldCode = FieldCode.NAME) -> None:
    """Raises OperatorRefusal for a name that is not allowed."""
    if (refused := name_refusal(text, most, field)) is not None:
        raise refused


def check_text(text: str, most: int, field: FieldCode) -> None:
    """Raises OperatorRefusal for a text that is not allowed."""
    if (refused := text_refusal(text, most, field)) is not None:
        raise refused


def check_range(number: int, least: int, most: int, field: FieldCode) -> None:
    """Raises OperatorRefusal for a number outside ``least`` to ``most``."""
    if not least <= number <= most:
        raise OperatorRefusal(RefusalCode.FIELD_OUT_OF_RANGE, field=field, least=least, most=most)
