"""The operator's policy: what may not be sold, and where nothing is delivered. Compiled once a version."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from opensmm.base.ids import RuleId
from opensmm.domain import links
from opensmm.domain.links import Target
from opensmm.domain.markup import readings

MAX_RULES: Final = 5_000
MAX_VALUE: Final = 300
MAX_REASON: Final = 500
MAX_ENCODED: Final = 64 << 10
"""Characters of one order's names that are spelt in punycode or percent escapes: each costs work to be told apart."""


class RuleKind(StrEnum):
    """``prohibit`` is on the words of a service; ``deny`` and ``allow`` are on links."""

    PROHIBIT = "prohibit"
    DENY = "deny"
    ALLOW = "allow"


class PolicyRule(Struct, frozen=True):
    """``value``: a phrase, or a place as ``read_place`` has it. ``reason`` is for the operator's eyes."""

    id: RuleId
    kind: RuleKind
    value: str
    reason: str = ""


class LinkPlace(Struct, frozen=True):
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


EVERYWHERE: Final = "*"
_UNFIT_PLACE: Final = re.compile(r"[\s?#*<>\"'`\\^{|}]")
_ENCODED: Final = re.compile(r"xn--|%", re.IGNORECASE)
_PLAIN_NAME: Final = re.compile(r"@?(?!xn--)[a-z0-9_-]+(?:\.(?!xn--)[a-z0-9_-]+)*", re.ASCII | re.IGNORECASE)


def read_place(text: str) -> LinkPlace | None:
    """Reads ``example.com``, ``example.com/path``, ``example.com/@name``, ``@name`` or ``*``; None is none of them."""
    if text == EVERYWHERE:
        return LinkPlace()
    if not text or len(text) > MAX_VALUE or _UNFIT_PLACE.search(text) or "%" in text:
        return None
    if text.startswith("@"):
        name = links.fold(text[1:])
        return LinkPlace(account=name) if name and "/" not in name else None
    target = links.targets(text)[0]
    if "." not in target.host or "@" in text.partition("/")[0]:
        return None
    if len(target.path) == 1 and target.path[0].startswith("@"):
        return LinkPlace(target.host, account=target.account) if target.account else None
    return LinkPlace(target.host, target.path)


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


class Policy(Struct, frozen=True):
    """The rules at one version, ready to be asked: however many they are, a link costs a few looks into ``places``.

    ``places`` has one rule a place, of two on the same the denial; ``hosts`` those they are on, "" for all; ``words``
    the accounts, and the folders that paths begin with; ``longest_path`` counts folders.
    """

    version: int
    rules: tuple[PolicyRule, ...]
    places: Mapping[LinkPlace, PolicyRule]
    hosts: frozenset[str]
    words: frozenset[str]
    longest_path: int
    phrases: tuple[tuple[re.Pattern[str], PolicyRule], ...]
    any_phrase: re.Pattern[str] | None

    def denies(self, link: str) -> bool:
        """Whether nothing is delivered to a link. Most links lead to a host without rules, and are not looked into."""
        if not self.hosts or not self._hosts_over(links.host_of(link)):
            return False
        return _is_denial(self.link_rule(link))

    def link_rule(self, link: str) -> PolicyRule | None:
        """The rule that decides on a link; None where none meets it. Of two readings, one that is denied counts."""
        readings = links.targets(link)
        hosts = self._hosts_over(readings[0].host)
        found = [rule for target in readings if (rule := self._nearest(target, hosts)) is not None]
        return next(filter(_is_denial, found), found[0] if found else None)

    def denies_any(self, names: Iterable[str], link: str) -> bool:
        """Whether one of the people or pages is denied that an order to a link names beside it, or too many of them are
        spelt in codes to be looked into."""
        if not self.hosts:
            return False
        host = links.host_of(link)
        over = self._hosts_over(host)
        distinct = dict.fromkeys(names)
        if not _is_denial(self._nearest(Target(host, (), ""), over)):
            distinct = dict.fromkeys(name for name in distinct if not self._is_stranger(name))
        if sum(len(name) for name in distinct if _ENCODED.search(name)) > MAX_ENCODED:
            return True
        return any(self._denies_beside(name, host, over) for name in distinct)

    def _is_stranger(self, name: str) -> bool:
        """Whether no rule can tell a name from others. Lists hold thousands of them: they are not looked into."""
        if not _PLAIN_NAME.fullmatch(name):
            return False
        text = name.lower().removeprefix("@")
        return text not in self.words and not any(self._hosts_over(text))

    def _denies_beside(self, name: str, host: str, over: Sequence[str]) -> bool:
        """A bare name is an account of the link's host. Where a rule is on a host of that spelling it is that too."""
        own = self._hosts_over(links.host_of(name))
        if not over and not own:
            return False
        bare = links.targets(name)[0]
        if not host or not bare.is_bare:
            return _is_denial(self.link_rule(name))
        there = Target(host, (bare.account,), bare.account)
        rules = self._nearest(there, over), self._nearest(bare, [one for one in own if one])
        return any(map(_is_denial, rules))

    def _nearest(self, target: Target, hosts: Sequence[str]) -> PolicyRule | None:
        """An account's rule counts before a path's, a longer path's before a shorter one's, a longer host's then."""
        for host in hosts if target.account else ():
            if rule := self.places.get(LinkPlace(host, (), target.account)):
                return rule
        for length in range(min(len(target.path), self.longest_path), -1, -1):
            for host in hosts:
                if rule := self.places.get(LinkPlace(host, target.path[:length])):
                    return rule
        return None

    def _hosts_over(self, host: str) -> list[str]:
        """The hosts with rules that a host is, or lies below, the longest first; at last "" where rules are on all."""
        found: list[str] = []
        while host:
            if host in self.hosts:
                found.append(host)
            host = host.partition(".")[2]
        return [*found, ""] if "" in self.hosts else found

    def prohibits(self, *texts: str) -> PolicyRule | None:
        """The first rule whose phrase stands in one of the texts."""
        if self.any_phrase is None:
            return None
        plain = [_plain(reading) for text in texts for reading in readings(unquote(text) if "%" in text else text)]
        if not any(self.any_phrase.search(text) for text in plain):
            return None
        return next(rule for phrase, rule in self.phrases if any(phrase.search(text) for text in plain))


def compiled(version: int, rules: Sequence[PolicyRule]) -> Policy:
    """Rules made ready. One whose value is none of its kind never meets anything."""
    places = _by_place(rules)
    patterns = [(_pattern(rule.value), rule) for rule in rules if rule.kind is RuleKind.PROHIBIT]
    phrases = [(pattern, rule) for pattern, rule in patterns if pattern]
    return Policy(
        version,
        tuple(rules),
        places,
        frozenset(place.host for place in places),
        frozenset(word for place in places for word in (place.account, *place.path[:1])),
        max((len(place.path) for place in places), default=0),
        tuple((re.compile(pattern), rule) for pattern, rule in phrases),
        re.compile("|".join(pattern for pattern, _ in phrases)) if phrases else None,
    )


def _by_place(rules: Iterable[PolicyRule]) -> dict[LinkPlace, PolicyRule]:
    found: dict[LinkPlace, PolicyRule] = {}
    for rule in rules:
        place = None if rule.kind is RuleKind.PROHIBIT else read_place(rule.value)
        if place is not None and (place not in found or (_is_denial(rule) and not _is_denial(found[place]))):
            found[place] = rule
    return found


def _is_denial(rule: PolicyRule | None) -> bool:
    return rule is not None and rule.kind is RuleKind.DENY


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
