"""Sentences in one language: looked up in its catalogue, their fields filled in."""

import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from gettext import NullTranslations
from typing import Final

from opensmm.base.durations import span
from opensmm.base.error_codes import Obstacle, TooMuch
from opensmm.domain.call_faults import CallFault
from opensmm.domain.codes import Fields, LineFault, RefusalCode
from opensmm.domain.price_sync import ListDoubt
from opensmm.texts.english import LINES, REFUSALS
from opensmm.texts.english_fields import FRAMES, SPANS
from opensmm.texts.english_providers import CALLS, DOUBTS
from opensmm.texts.isolation import Direction, isolated, isolated_code
from opensmm.texts.tables import SHOWN, TABLES
from opensmm.texts.template import Message, Words, message

_NOTHING: Final = (None, "", ())
_LISTS: Final = ("orders", "services")


class Sentences:
    """Fills the sentences of one language. Values of the other writing direction are set apart within them."""

    def __init__(self, catalogue: NullTranslations, direction: Direction) -> None:
        self._catalogue = catalogue
        self._direction = direction

    def text(self, context: str, english: str) -> str:
        """The translation of a text, its placeholders as they are."""
        return self._catalogue.pgettext(context, english)

    def word(self, table: str, code: str) -> str:
        """The text of a code in a table of plain texts; a code without one is shown as it is."""
        english = TABLES[table].get(code)
        return self.text(f"{table}.{code}", english) if isinstance(english, str) else isolated(code, self._direction)

    def frame(self, name: str, /, **parts: str) -> str:
        """A frame filled with parts that are words of this language already."""
        return self.text(f"frame.{name}", FRAMES[name]).format_map(parts)

    def sentence(self, context: str, words: Words, fields: Fields) -> str:
        """The sentence of a code, for as many as its field ``count`` tells, with the ends whose fields have a value."""
        count = fields.get("count")
        if words.none and count == 0:
            whole = self.text(f"{context}.none", words.none)
        else:
            whole = self._counted(message(context, words.says, words.one), count)
        ends = (
            self._counted(message(f"{context}.{name}", end), count)
            for name, end in words.more
            if fields.get(name) not in _NOTHING
        )
        return self.filled("".join((whole, *ends)), fields)

    def advice(self, context: str, words: Words, fields: Fields) -> str:
        """What a code says is to be done; empty where nothing is."""
        if not words.do:
            return ""
        return self.filled(self._counted(message(f"{context}.do", words.do), fields.get("count")), fields)

    def _counted(self, wanted: Message, count: object) -> str:
        if not wanted.plural:
            return self.text(wanted.context, wanted.text)
        number = count if isinstance(count, int) else 0
        return self._catalogue.npgettext(wanted.context, wanted.text, wanted.plural, number)

    def filled(self, template: str, fields: Fields) -> str:
        """A template with its fields; within a command, which stands in backquotes, as a shell wants them."""
        if "`" not in template:
            return template.format_map(self._shown(fields))
        plain = self._shown(fields)
        bare = plain if self._direction is Direction.UNMARKED else UNMARKED._shown(fields)
        quoted = {name: shlex.quote(text) for name, text in bare.items()}
        parts = enumerate(template.split("`"))
        return "".join(
            isolated_code(part.format_map(quoted), self._direction) if at % 2 else part.format_map(plain)
            for at, part in parts
        )

    def _shown(self, fields: Fields) -> dict[str, str]:
        shown = {name: self.value(value) for name, value in fields.items()}
        if obstacles := fields.get("obstacles"):
            shown["obstacles"] = "\n".join(map(self.value, obstacles))
        if fields.get("at_least"):
            shown["count"] = self.frame("at_least", number=shown["count"])
        if fields.get("more"):
            listed = {name: shown[name] for name in _LISTS if name in shown}
            shown |= {name: self.frame("and_more", listed=names, more=shown["more"]) for name, names in listed.items()}
        return shown

    def value(self, value: object) -> str:
        """A field's value as a person reads it: an age in its largest unit of which there are two, a time in UTC."""
        match value:
            case timedelta():
                count, unit = span(value)
                return self.sentence(f"span.{unit}", SPANS[unit], {"count": count})
            case datetime():
                return isolated(f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC", self._direction)
            case Decimal():
                return isolated(f"{value:f}", self._direction)
            case StrEnum() if type(value) in SHOWN:
                return self.word(SHOWN[type(value)], value)
            case CallFault():
                return self.sentence(f"call.{value.code}", CALLS[value.code], value.fields)
            case ListDoubt():
                return self.sentence(f"list_doubt.{value.code}", DOUBTS[value.code], value.fields)
            case TooMuch():
                return self.filled(self.word("power", value.power), {"subject": value.subject})
            case Obstacle():
                return self._obstacle(value)
            case LineFault():
                return self.sentence(f"line.{value.code}", LINES[value.code], value.fields)
            case None:
                return self.frame("unknown")
            case Mapping():
                return self._mapping(value)
            case [{"code": RefusalCode()}, *_]:
                return " ".join(map(self.value, value))
            case list() | tuple():
                return self.listed(map(self.value, value)) or self.frame("none")
        return isolated(str(value), self._direction)

    def _mapping(self, value: Mapping[str, object]) -> str:
        if isinstance(code := value.get("code"), RefusalCode):
            return self.sentence(f"refusal.{code}", REFUSALS[code], value)
        parts = {name: self.value(part) for name, part in value.items()}
        match value:
            case {"service": _, "service_name": _, "before": _, "after": _}:
                return self.frame("price_moved", **parts)
            case {"service": _, "service_name": _}:
                return self.frame("service", **parts)
            case {"order": _, "provider_name": _, "provider_order": _}:
                return self.frame("of_provider", number=parts["order"], **parts)
            case {"refill": _, "provider_name": _, "provider_order": _}:
                return self.frame("of_provider", number=parts["refill"], **parts)
            case {"provider_order": _, "status": _}:
                return self.frame("status", **parts)
            case {"service": _, "why": LineFault()}:
                return self.frame("why", **parts)
        return isolated(str(value), self._direction)

    def _obstacle(self, met: Obstacle) -> str:
        """Words of a program that failed stand for themselves; of one that could not be started they do not name it."""
        place, program = self.value(met.place), self.value(met.program)
        words = self.value(met.words) if met.words else self.frame("exit_code", exit_code=self.value(met.exit_code))
        if met.program and not (met.words and met.exit_code):
            return self.frame("obstacle_of_program", place=place, program=program, words=words)
        return self.frame("obstacle", place=place, words=words)

    def listed(self, parts: Iterable[str]) -> str:
        """Parts as a list; empty where there are none."""
        whole = ""
        for part in parts:
            whole = self.frame("list", listed=whole, last=part) if whole else part
        return whole

    def minute(self, at: datetime) -> str:
        """A time to the minute, for a line of a list."""
        return isolated(f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC", self._direction)


UNMARKED: Final = Sentences(NullTranslations(), Direction.UNMARKED)
"""Values as they are, for commands."""


def quote_command(*words: object) -> str:
    """Returns a command of ``opensmm`` in backquotes, each word quoted for a shell."""
    return f"`{shlex.join(['opensmm', *map(str, words)])}`"
