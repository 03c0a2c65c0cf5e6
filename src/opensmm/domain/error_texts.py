"""What the error texts of other panels say. They are written in anybody's words; in doubt a text proves nothing."""

import re
from typing import Final

_REFUSING_WORDS: Final = re.compile(
    r"""incorrect | invalid | not\ enough | insufficient | low\ balance | bad\ link | less\ than | more\ than | minim
    | maxim | required | missing | does\ not\ exist | not\ found | disabled? | suspended | not\ allowed
    | you\ have\ active | denied | not\ support | not\ available | unavailable\ service | duplicate | forbidden""",
    re.VERBOSE | re.IGNORECASE,
)
_FAULT_WORDS: Final = re.compile(
    r"""timed?[ -]?out | execution\ time | gateway | \bcurl\b | \bsql | exception | \bfatal\b | deadlock
    | duplicate\ entry | \bclass\b | \bargument\b | undefined | \bcall\ to\b | \bon\ line\b | connection
    | (?:server|internal)\ error | (?:been|was)\ (?:placed|created|accepted|received)""",
    re.VERBOSE | re.IGNORECASE,
)
_PUTTING_OFF_WORDS: Final = re.compile(r"too many requests|rate limit|too many attempts|slow down", re.IGNORECASE)
_PASSING_WORDS: Final = re.compile(
    r"maintenance|temporar|unavailable|try again|api key|your account|busy|overload", re.IGNORECASE
)
_UNDER_WAY_WORDS: Final = re.compile(
    r"""refill\w*\ (?:task\ |request\ )?(?:is\ )?(?:already|not\ completed|in\ progress)
    | cancel\w*\ (?:request\ )?(?:is\ |was\ |has\ been\ )?already\ (?:requested|sent|in\ progress|pending)
    | already\ requested""",
    re.VERBOSE | re.IGNORECASE,
)
_LATELY_WORDS: Final = re.compile(r"\brequested\b.{0,20}\b(?:less than|within|recently|ago)\b", re.IGNORECASE)
_UNKNOWN_ORDER: Final = re.compile(
    r"""\b(incorrect|invalid|wrong|unknown|bad|no\ such)\b.{0,12}\border\b | \bno\ order\b
    | \border\b.{0,20}\b(not\ found|not\ exists?|invalid|incorrect|doesn't\ exist|not\ belong)""",
    re.VERBOSE | re.IGNORECASE,
)


def means_refusal(words: str) -> bool:
    """True of an error text that says the order was looked at and turned down; any other text proves nothing.

    A program that breaks down uses the same words, and may have bought before: "Maximum execution time exceeded".
    """
    return _REFUSING_WORDS.search(words) is not None and _FAULT_WORDS.search(words) is None


def puts_off(words: str) -> bool:
    """True of an error text that turns requests away before they are looked at: later they are welcome again."""
    return _PUTTING_OFF_WORDS.search(words) is not None


def passes(words: str) -> bool:
    """True of an error text that speaks of the moment, our account or a program's fault, and not of what was asked."""
    return puts_off(words) or any(found.search(words) for found in (_PASSING_WORDS, _FAULT_WORDS))


def means_under_way(words: str) -> bool:
    """True of an error text that turns an ask down because it was made before, and is being dealt with."""
    return _UNDER_WAY_WORDS.search(words) is not None


def means_asked_lately(words: str) -> bool:
    """True of an error text that turns an ask down for one made not long ago. Whoever made none was meant otherwise."""
    return _LATELY_WORDS.search(words) is not None


def means_unknown_order(words: str) -> bool:
    """True of an error text that says there is no such order of the caller's; any other text says nothing of it."""
    return _UNKNOWN_ORDER.search(words) is not None
