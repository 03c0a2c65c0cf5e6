"""Ids that providers give to their services and orders: the one rule for what is an id."""

import re
from typing import Final

from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode

_ID: Final = re.compile(r"(?!0+\Z)[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_PARTS: Final = re.compile(r"[0-9]+|[A-Za-z]+")
_WORDS: Final = """accepted active added already awaiting bad balance busy cancel canceled cancelled code complete
completed created data deny denied disabled done duplicate empty enough err error exception exist exists expired fail
failed failure false fatal found funds id in inactive incorrect insufficient internal invalid is key link low maximum
minimum missing msg message na nan new nil no none not null num number ok okay on order orders partial paused pending
placed please processing processed progress quantity queue queued received refill refund refunded refused rejected
requested required response result retry server service status string submitted succeeded success successful
successfully sync test text timeout true try type undefined unknown unavailable wait waiting warning was with wrong yes
your"""
_NO_ID: Final = frozenset(_WORDS.split())
"""Words that stand in the place of an id: a text made of nothing but these is none."""


def is_provider_id(text: str) -> bool:
    """True of 1 to 64 letters, digits, hyphens and underscores that are neither 0 nor words of a message."""
    if not _ID.fullmatch(text):
        return False
    return not all(part in _NO_ID for part in _PARTS.findall(text.lower()))


def check_provider_order(text: str) -> None:
    """Raises OperatorRefusal for a text that is no provider's order id."""
    if not is_provider_id(text):
        raise OperatorRefusal(RefusalCode.BAD_PROVIDER_ORDER, provider_order=text)
