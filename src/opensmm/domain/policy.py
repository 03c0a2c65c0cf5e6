"""The operator's policy: services that may not be sold, and links that nothing is delivered to.

Compiled once a version.
"""

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
"""Most characters of one order's names that are written in punycode or percent escapes: each costs time to decode."""


class RuleKind(StrEnum):
    """``prohibit`` applies to the words of a service; ``deny`` and ``allow`` apply to links."""

    PROHIBIT = "prohibit"
    DENY = "deny"
    ALLOW = "allow"


class PolicyRule(Struct, frozen=True):
    """``value``: a phrase, or a place as ``read_place`` reads it. ``reason`` is shown to the operator only."""

    id: RuleId
    kind: RuleKind
    value: str
    reason: str = ""


class LinkPlace(Struct, frozen=True):
    """Place that a link rule applies to: a host or a path with everything below it, an account, or every link.

    An account without a host is meant on any host.
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
    """Reads ``example.com``, ``example.com/path``, ``example.com/@name``, ``@name`` or ``*``; None for other texts."""
    if text == EVERYWHERE:
        return LinkPlace()
    if not text or len(text) > MAX_VALUE or _UNFIT_PLACE.search(text) or "%" in text:
        return None
    if text.startswith("@"):
        name = links.fold(text[1:])
        return LinkPlace(account=name) if name and "/" not in name else None
    target = links.read_targets(text)[0]
    if "." not in target.host or "@" in text.partition("/")[0]:
        return None
    if len(target.path) == 1 and target.path[0].startswith("@"):
        return LinkPlace(target.host, account=target.account) if target.account else None
    return LinkPlace(target.host, target.path)


def read_phrase(text: str) -> str | None:
    """Reads a phrase into its stored form: words between blanks.

    A ``*`` at an end lets the word there continue. None if it has no words.
    """
    phrase = " ".join(text.split())
    return phrase if len(phrase) <= MAX_VALUE and _split_words(phrase.strip(EVERYWHERE)) else None


def read_value(kind: RuleKind, text: str) -> str | None:
    """Reads a rule's value into its one stored spelling; None if it is no value of this kind."""
    if kind is RuleKind.PROHIBIT:
        return read_phrase(text)
    place = read_place(text.strip())
    return None if place is None else str(place)


class Policy(Struct, frozen=True):
    """The rules of one version, compiled: however many there are, a link costs a few look-ups in ``places``.

    ``places`` has one rule a place; of two for the same place the denial. ``hosts`` are the hosts with rules, "" for
    every host; ``words`` the accounts and the first folders of paths; ``longest_path`` counts folders.
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
        """True if nothing is delivered to a link. Most links are on hosts without rules, and are not parsed."""
        if not self.hosts or not self._find_hosts(links.host_of(link)):
            return False
        return _is_denial(self.link_rule(link))

    def link_rule(self, link: str) -> PolicyRule | None:
        """Returns the rule that decides on a link; None if no rule applies.

        If a link can be read in two ways, a denial wins.
        """
        readings = links.read_targets(link)
        hosts = self._find_hosts(readings[0].host)
        rules = [rule for target in readings if (rule := self._find_nearest(target, hosts)) is not None]
        return next(filter(_is_denial, rules), rules[0] if rules else None)

    def denies_any(self, names: Iterable[str], link: str) -> bool:
        """True if a person or page that an order names beside its link is denied, or too many names are encoded."""
        if not self.hosts:
            return False
        host = links.host_of(link)
        over = self._find_hosts(host)
        # Lists repeat names: each is checked once.
        distinct = dict.fromkeys(names)
        # If the host itself is denied, names without a rule of their own are denied too.
        if not _is_denial(self._find_nearest(Target(host, (), ""), over)):
            distinct = dict.fromkeys(name for name in distinct if not self._is_stranger(name))
        if sum(len(name) for name in distinct if _ENCODED.search(name)) > MAX_ENCODED:
            return True
        return any(self._denies_beside(name, host, over) for name in distinct)

    def _is_stranger(self, name: str) -> bool:
        """True if no rule can tell a name from others. Lists hold thousands of such names, which are not parsed."""
        if not _PLAIN_NAME.fullmatch(name):
            return False
        text = name.lower().removeprefix("@")
        return text not in self.words and not any(self._find_hosts(text))

    def _denies_beside(self, name: str, host: str, over: Sequence[str]) -> bool:
        """Checks a bare name as an account of the link's host, and as a host if a rule's host is spelt so."""
        own = self._find_hosts(links.host_of(name))
        if not over and not own:
            return False
        bare = links.read_targets(name)[0]
        if not host or not bare.is_bare:
            return _is_denial(self.link_rule(name))
        there = Target(host, (bare.account,), bare.account)
        rules = self._find_nearest(there, over), self._find_nearest(bare, [one for one in own if one])
        return any(map(_is_denial, rules))

    def _find_nearest(self, target: Target, hosts: Sequence[str]) -> PolicyRule | None:
        """Returns the rule that applies: an account's before a path's, then the longer path's, then the longer
        host's."""
        for host in hosts if target.account else ():
            if rule := self.places.get(LinkPlace(host, (), target.account)):
                return rule
        for length in range(min(len(target.path), self.longest_path), -1, -1):
            for host in hosts:
                if rule := self.places.get(LinkPlace(host, target.path[:length])):
                    return rule
        return None

    def _find_hosts(self, host: str) -> list[str]:
        """Lists the hosts with rules that a host is or lies below, longest first; then "" if a rule has no host."""
        parents: list[str] = []
        while host:
            if host in self.hosts:
                parents.append(host)
            host = host.partition(".")[2]
        return [*parents, ""] if "" in self.hosts else parents

    def prohibits(self, *texts: str) -> PolicyRule | None:
        """Returns the first rule whose phrase occurs in one of the texts."""
        if self.any_phrase is None:
            return None
        plain = [
            _strip_marks(reading) for text in texts for reading in readings(unquote(text) if "%" in text else text)
        ]
        if not any(self.any_phrase.search(text) for text in plain):
            return None
        return next(rule for phrase, rule in self.phrases if any(phrase.search(text) for text in plain))


def compile_policy(version: int, rules: Sequence[PolicyRule]) -> Policy:
    """Compiles rules. One whose value does not suit its kind applies to nothing."""
    places = _index_by_place(rules)
    patterns = [(_write_pattern(rule.value), rule) for rule in rules if rule.kind is RuleKind.PROHIBIT]
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


def _index_by_place(rules: Iterable[PolicyRule]) -> dict[LinkPlace, PolicyRule]:
    by_place: dict[LinkPlace, PolicyRule] = {}
    for rule in rules:
        place = None if rule.kind is RuleKind.PROHIBIT else read_place(rule.value)
        if place is not None and (place not in by_place or (_is_denial(rule) and not _is_denial(by_place[place]))):
            by_place[place] = rule
    return by_place


def _is_denial(rule: PolicyRule | None) -> bool:
    return rule is not None and rule.kind is RuleKind.DENY


def _write_pattern(phrase: str) -> str:
    words = _split_words(phrase.strip(EVERYWHERE))
    if not words:
        return ""
    begin = "" if phrase.startswith(EVERYWHERE) else r"(?<![^\W_])"
    end = "" if phrase.endswith(EVERYWHERE) else r"(?![^\W_])"
    return begin + r"[\W_]+".join(map(re.escape, words)) + end


def _split_words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", _strip_marks(text))


def _strip_marks(text: str) -> str:
    """Returns a text without accents, vowel signs, lengthened letters and invisible characters."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in spread if unicodedata.category(char) not in ("Mn", "Cf") and char != "ـ")


NO_POLICY: Final = compile_policy(0, ())
