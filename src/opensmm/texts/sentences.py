"""Sentences in one language: looked up in its catalogue and filled with fields."""

import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from gettext import NullTranslations
from typing import Final

from opensmm.base.durations import in_largest_unit
from opensmm.base.error_codes import Obstacle, TooMuch
from opensmm.domain.call_faults import CallFault
from opensmm.domain.codes import Fields, LineFault
from opensmm.domain.operator_refusals import RefusalCode
from opensmm.domain.price_sync import ListDoubt
from opensmm.texts.english import LINES, REFUSALS
from opensmm.texts.english_fields import FRAMES, SPANS
from opensmm.texts.english_providers import CALLS, DOUBTS
from opensmm.texts.isolation import Direction, isolate, isolate_code
from opensmm.texts.tables import TABLE_OF_TYPE, TABLES
from opensmm.texts.template import Message, Words, make_message

_NOTHING: Final = (None, "", ())
_LISTS: Final = ("orders", "services")


class Sentences:
    """The sentences of one language. Values of the other writing direction get isolation marks."""

    def __init__(self, translations: NullTranslations, direction: Direction) -> None:
        self._translations = translations
        self._direction = direction

    def text(self, context: str, english: str) -> str:
        """Translates a text; its placeholders stay."""
        return self._translations.pgettext(context, english)

    def word(self, table: str, code: str) -> str:
        """Returns the text of a code in a table of plain texts; the code itself if it has none."""
        english = TABLES[table].get(code)
        return self.text(f"{table}.{code}", english) if isinstance(english, str) else isolate(code, self._direction)

    def frame(self, name: str, /, **parts: str) -> str:
        """Fills a frame with parts that are in this language already."""
        return self.text(f"frame.{name}", FRAMES[name]).format_map(parts)

    def sentence(self, context: str, words: Words, fields: Fields) -> str:
        """Returns the sentence of a code, in the plural form for its field ``count``, with its ends."""
        count = fields.get("count")
        if words.none and count == 0:
            whole = self.text(f"{context}.none", words.none)
        else:
            whole = self._plural_form(make_message(context, words.says, words.singular), count)
        ends = (
            self._plural_form(make_message(f"{context}.{name}", end), count)
            for name, end in words.more
            if fields.get(name) not in _NOTHING
        )
        return self.fill("".join((whole, *ends)), fields)

    def advice(self, context: str, words: Words, fields: Fields) -> str:
        """Returns the advice of a code; an empty text if it has none."""
        if not words.do:
            return ""
        return self.fill(self._plural_form(make_message(f"{context}.do", words.do), fields.get("count")), fields)

    def _plural_form(self, message: Message, count: object) -> str:
        if not message.plural:
            return self.text(message.context, message.text)
        number = count if isinstance(count, int) else 0
        return self._translations.npgettext(message.context, message.text, message.plural, number)

    def fill(self, template: str, fields: Fields) -> str:
        """Fills a template with its fields. In a command, which is in backquotes, they are quoted for a shell."""
        if "`" not in template:
            return template.format_map(self._field_texts(fields))
        plain = self._field_texts(fields)
        # A command is copied into a terminal, so its values must have no marks of direction.
        bare = plain if self._direction is Direction.UNMARKED else UNMARKED._field_texts(fields)
        quoted = {name: shlex.quote(text) for name, text in bare.items()}
        parts = enumerate(template.split("`"))
        return "".join(
            isolate_code(part.format_map(quoted), self._direction) if at % 2 else part.format_map(plain)
            for at, part in parts
        )

    def _field_texts(self, fields: Fields) -> dict[str, str]:
        texts = {name: self.value(value) for name, value in fields.items()}
        if obstacles := fields.get("obstacles"):
            texts["obstacles"] = "\n".join(map(self.value, obstacles))
        if fields.get("at_least"):
            texts["count"] = self.frame("at_least", number=texts["count"])
        if fields.get("more"):
            lists = {name: texts[name] for name in _LISTS if name in texts}
            texts |= {name: self.frame("and_more", listed=names, more=texts["more"]) for name, names in lists.items()}
        return texts

    def value(self, value: object) -> str:
        """Returns the text of a field's value.

        A duration is in the largest unit of which there are two, a time in UTC.
        """
        match value:
            case timedelta():
                count, unit = in_largest_unit(value)
                return self.sentence(f"span.{unit}", SPANS[unit], {"count": count})
            case datetime():
                return isolate(f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC", self._direction)
            case Decimal():
                return isolate(f"{value:f}", self._direction)
            case StrEnum() if type(value) in TABLE_OF_TYPE:
                return self.word(TABLE_OF_TYPE[type(value)], value)
            case CallFault():
                return self.sentence(f"call.{value.code}", CALLS[value.code], value.fields)
            case ListDoubt():
                return self.sentence(f"list_doubt.{value.code}", DOUBTS[value.code], value.fields)
            case TooMuch():
                return self.fill(self.word("power", value.power), {"subject": value.subject})
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
                return self.join_list(map(self.value, value)) or self.frame("none")
        return isolate(str(value), self._direction)

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
        return isolate(str(value), self._direction)

    def _obstacle(self, obstacle: Obstacle) -> str:
        """Names the program if its own words do not: if it could not be started, or ended without any."""
        place, program, exit_code = map(self.value, (obstacle.place, obstacle.program, obstacle.exit_code))
        words = self.value(obstacle.words) if obstacle.words else self.frame("exit_code", exit_code=exit_code)
        if obstacle.program and not (obstacle.words and obstacle.exit_code):
            return self.frame("obstacle_of_program", place=place, program=program, words=words)
        return self.frame("obstacle", place=place, words=words)

    def join_list(self, parts: Iterable[str]) -> str:
        """Joins parts to a list; an empty text if there are none."""
        whole = ""
        for part in parts:
            whole = self.frame("list", listed=whole, last=part) if whole else part
        return whole

    def minute(self, at: datetime) -> str:
        """Returns a time to the minute, for a line of a list."""
        return isolate(f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC", self._direction)


UNMARKED: Final = Sentences(NullTranslations(), Direction.UNMARKED)
"""English without marks of direction, for values in commands."""


def quote_command(*words: object) -> str:
    """Returns a command of ``opensmm`` in backquotes, each word quoted for a shell."""
    return f"`{shlex.join(['opensmm', *map(str, words)])}`"
