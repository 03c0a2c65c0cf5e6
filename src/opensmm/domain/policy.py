"""The operator's policy: what may not be sold, and where nothing is delivered. Compiled once a version."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import RuleId
from opensmm.domain import targets
from opensmm.domain.targets import Target

MAX_RULES: Final = 5_000
MAX_VALUE: Final = 300
MAX_REASON: Final = 500


class RuleKind(StrEnum):
    """``prohibit`` is on the words of a service; ``deny`` and ``allow`` are on links."""

    PROHIBIT = "prohibit"
    DENY = "deny"
    ALLOW = "allow"


class Rule(Struct, frozen=True):
    """``value``: a phrase, or a place as ``read_place`` has it. ``reason`` is for the operator's eyes."""

    id: RuleId
    kind: RuleKind
    value: str
    reason: str = ""


class Place(Struct, frozen=True):
    """Where a link rule holds: a host with all below it, a path with all below it, an account, or everywhere.

    Without a host an account is meant wherever it is.
    """

    host: str = ""
    path: tuple[str, ...] = ()
    account: str = ""

    def __str__(self) -> str:
        if not self.host:
            return f"@{self.account}" if self.account else EVERYWHERE
        return "/".join((self.host, *([f"@{self.account}"] if self.account else self.path)))

    @property
    def rank(self) -> tuple[bool, int, int]:
        """The nearer of two rules counts: an account's before a path's, a longer path's before a shorter one's."""
        return bool(self.account), len(self.path), len(self.host)

    def holds(self, target: Target) -> bool:
        if self.account and self.account != target.account:
            return False
        return self._covers(target.host) and target.path[: len(self.path)] == self.path

    def _covers(self, host: str) -> bool:
        return not self.host or host == self.host or host.endswith(f".{self.host}")


EVERYWHERE: Final = "*"
_UNFIT_PLACE: Final = re.compile(r"[\s?#*<>\"'`\\^{|}]")


def read_place(text: str) -> Place | None:
    """Reads ``example.com``, ``example.com/path``, ``example.com/@name``, ``@name`` or ``*``; None is none of them."""
    if text == EVERYWHERE:
        return Place()
    if not text or len(text) > MAX_VALUE or _UNFIT_PLACE.search(text) or "%" in text:
        return None
    if text.startswith("@"):
        name = targets.fold(text[1:])
        return Place(account=name) if name and "/" not in name else None
    (target,) = targets.targets(text)
    if "." not in target.host or "@" in text.partition("/")[0]:
        return None
    if len(target.path) == 1 and target.path[0].startswith("@"):
        return Place(target.host, account=target.account) if target.account else None
    return Place(target.host, target.path)


def read_phrase(text: str) -> str | None:
    """A phrase as it is kept: words between blanks; ``*`` at an end lets the word there go on. None: no words."""
    phrase = " ".join(text.split())
    return phrase if len(phrase) <= MAX_VALUE and _words(phrase.strip(EVERYWHERE)) else None


def read_value(kind: RuleKind, text: str) -> str | None:
    """A rule's value in the one spelling it is kept in, or None where it is no such value."""
    if kind is RuleKind.PROHIBIT:
        return read_phrase(text)
    place = read_place(text.strip())
    return None if place is None else str(place)


class LinkRule(Struct, frozen=True):
    place: Place
    rule: Rule

    @property
    def order(self) -> tuple[tuple[bool, int, int], bool]:
        """Of two rules on the same place the denial counts."""
        return self.place.rank, self.rule.kind is RuleKind.DENY


class Policy(Struct, frozen=True):
    """The rules at one version, ready to be asked. Link rules lie by their hosts, those without one in ``others``."""

    version: int
    rules: tuple[Rule, ...]
    hosts: Mapping[str, tuple[LinkRule, ...]]
    others: tuple[LinkRule, ...]
    phrases: tuple[tuple[re.Pattern[str], Rule], ...]
    any_phrase: re.Pattern[str] | None

    def denies(self, link: str) -> bool:
        """Whether nothing is delivered to a link. Most links lead to a host without rules, and are not looked into."""
        if not self.others and (not self.hosts or not self._on_hosts(targets.host_of(link))):
            return False
        rule = self.link_rule(link)
        return rule is not None and rule.kind is RuleKind.DENY

    def link_rule(self, link: str) -> Rule | None:
        """The rule that decides on a link; None where none meets it. Of two readings, one that is denied counts."""
        found = [rule for target in targets.targets(link) if (rule := self._nearest(target)) is not None]
        return next((rule for rule in found if rule.kind is RuleKind.DENY), found[0] if found else None)

    def _nearest(self, target: Target) -> Rule | None:
        met = [one for one in (*self._on_hosts(target.host), *self.others) if one.place.holds(target)]
        return max(met, key=lambda one: one.order).rule if met else None

    def _on_hosts(self, host: str) -> list[LinkRule]:
        found: list[LinkRule] = []
        while host:
            found += self.hosts.get(host, ())
            host = host.partition(".")[2]
        return found

    def prohibits(self, *texts: str) -> Rule | None:
        """The first rule whose phrase stands in one of the texts."""
        if self.any_phrase is None:
            return None
        plain = [_plain(text) for text in texts]
        if not any(self.any_phrase.search(text) for text in plain):
            return None
        return next(rule for phrase, rule in self.phrases if any(phrase.search(text) for text in plain))


def compiled(version: int, rules: Sequence[Rule]) -> Policy:
    """Rules made ready. One whose value is none of its kind never meets anything."""
    places = [
        LinkRule(place, rule)
        for rule in rules
        if rule.kind is not RuleKind.PROHIBIT and (place := read_place(rule.value)) is not None
    ]
    patterns = [(_pattern(rule.value), rule) for rule in rules if rule.kind is RuleKind.PROHIBIT]
    phrases = [(pattern, rule) for pattern, rule in patterns if pattern]
    return Policy(
        version,
        tuple(rules),
        _by_host(one for one in places if one.place.host),
        tuple(one for one in places if not one.place.host),
        tuple((re.compile(pattern), rule) for pattern, rule in phrases),
        re.compile("|".join(pattern for pattern, _ in phrases)) if phrases else None,
    )


def _by_host(rules: Iterable[LinkRule]) -> dict[str, tuple[LinkRule, ...]]:
    found: dict[str, tuple[LinkRule, ...]] = {}
    for one in rules:
        found[one.place.host] = (*found.get(one.place.host, ()), one)
    return found


def _pattern(phrase: str) -> str:
    words = _words(phrase.strip(EVERYWHERE))
    if not words:
        return ""
    begin = "" if phrase.startswith(EVERYWHERE) else r"(?<![^\W_])"
    end = "" if phrase.endswith(EVERYWHERE) else r"(?![^\W_])"
    return begin + r"[\W_]+".join(map(re.escape, words)) + end


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", _plain(text))


def _plain(text: str) -> str:
    """Text without accents, vowel signs, lengthened letters and characters that do not show."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in spread if unicodedata.category(char) not in ("Mn", "Cf") and char != "ـ")


NO_POLICY: Final = compiled(0, ())
