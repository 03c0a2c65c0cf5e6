"""Meanings of error texts that answer a request other than ``add``: a refill, a cancel or a look-up."""

import re
from typing import Final

from opensmm.domain.phrases import any_matches, compile_english, compile_phrases, fold

_UNDER_WAY: Final = (
    compile_english(
        r"""refill\w*\ (?:task\ |request\ )?(?:is\ )?(?:already|not\ completed|in\ progress)
        | cancel\w*\ (?:request\ )?(?:is\ |was\ |has\ been\ )?already\ (?:requested|sent|in\ progress|pending)
        | already\ requested | \bbeing\ refilled
        | ^(?!.*\b(?:no|not|cannot|unable)\b|.*n't\b).*
          (?:\b(?:pending|active|open|another|already\ an?)\ (?:refill|cancel)
          | \brefill\w*\b.{0,25}\b(?:pending|queued|received|exists?|in\ process|being\ processed)\b)"""
    ),
    compile_phrases(
        """
        уже .. запрошен*
        запрос .. уже
        zaten .. istendi
        zaten .. talep*
        zaten .. mevcut
        aktif .. refill
        ya existe .. recarga
        ya existe .. solicitud
        ya .. solicitad*
        já existe .. refill
        já .. solicitad*
        refill .. em andamento
        yêu cầu .. đã tồn tại
        đã yêu cầu
        طلب .. مسبقا
        طلب .. بالفعل
        """
    ),
)
_LATELY: Final = compile_english(r"\brequested\b.{0,20}\b(?:less\ than|within|recently|ago)\b")
_UNKNOWN_ORDER: Final = compile_english(
    r"""\b(?:incorrect|invalid|wrong|unknown|bad|no\ such)\b.{0,12}\border\b | \bno\ order\b
    | \border\b.{0,20}\b(?:not\ found|not\ exists?|invalid|incorrect|doesn't\ exist|not\ belong)"""
)
_MISSING_PARAMETER: Final = re.compile(
    r"\bmissing\b.{0,30}\b(?:parameter|param|field|order|refill|id|ids)s?\b|\brequired parameters?\b"
    r"|\b(?:order|refill)s? ?ids? (?:is|are) required\b"
    r"|\b(?:order|refill)s? (?:parameter|field|id) (?:is )?(?:required|missing|empty)\b"
)


def means_under_way(text: str) -> bool:
    """True if an error text refuses a request because an earlier one is still being processed."""
    return any_matches(_UNDER_WAY, fold(text))


def means_requested_recently(text: str) -> bool:
    """True if an error text refuses a request because of an earlier one not long ago.

    If none was sent, the text has another meaning.
    """
    return _LATELY.search(fold(text)) is not None


def means_unknown_order(text: str) -> bool:
    """True if an error text says that the caller has no such order; any other text proves nothing."""
    return _UNKNOWN_ORDER.search(fold(text)) is not None


def means_missing_parameter(text: str) -> bool:
    """True if an error text says that the request lacks a parameter."""
    return bool(text) and _MISSING_PARAMETER.search(fold(text)) is not None
