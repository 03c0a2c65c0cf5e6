"""Codes and their fields put into the words of a language."""

import json
from collections.abc import Mapping
from functools import cache
from gettext import NullTranslations
from typing import Final

from opensmm.base.errors import Misconfigured, Unavailable
from opensmm.base.money import Money, short
from opensmm.domain.catalogue import Service
from opensmm.domain.codes import ChangeCode, EventCode, Fields, FindingCode, ListWarning, OperatorRefusal, StageCode
from opensmm.domain.findings import Finding, Level
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.price_sync import ListChange
from opensmm.domain.providers import IdForm
from opensmm.texts.catalogues import SOURCE, catalogue
from opensmm.texts.english import CHANGES, EVENTS, ODDITIES, REFUSALS, STAGES
from opensmm.texts.english_fields import EMPTY, LABELS, LANGUAGE, PERMITS, VALUES
from opensmm.texts.english_findings import FINDINGS
from opensmm.texts.english_setup import OUTAGES, SETUP
from opensmm.texts.isolation import Direction
from opensmm.texts.sentences import Sentences
from opensmm.texts.tables import TABLES

_MONEY: Final = frozenset(("amount", "balance", "credit_limit", "earned", "overdrawn"))


class Speech(Sentences):
    """What the product says in one language. ``name`` is the language's own, ``direction`` is ``ltr`` or ``rtl``."""

    def __init__(self, language: str, catalogue: NullTranslations, direction: Direction) -> None:
        super().__init__(catalogue, direction)
        self.language = language
        self.name = self.word("language", "name")
        self.direction = self.word("language", "direction")

    def finding(self, code: FindingCode, fields: Fields) -> tuple[str, str]:
        """What was found, and what to do about it (empty where there is nothing to do)."""
        words, context = FINDINGS[code], f"finding.{code}"
        return self.sentence(context, words, fields), self.advice(context, words, fields)

    def judged_finding(self, found: Finding) -> tuple[str, str]:
        """The same of a finding; of what is well nothing is to be done."""
        words, context = FINDINGS[found.code], f"finding.{found.code}"
        do = "" if found.level is Level.OK else self.advice(context, words, found.fields)
        return self.sentence(context, words, found.fields), do

    def refusal(self, refused: OperatorRefusal) -> str:
        """Why the operator was told no."""
        return self.sentence(f"refusal.{refused.code}", REFUSALS[refused.code], refused.fields)

    def fault(self, raised: Misconfigured | Unavailable) -> str:
        """Why the panel cannot start, or a request failed as a whole."""
        if isinstance(raised, Misconfigured):
            return self.sentence(f"setup.{raised.code}", SETUP[raised.code], raised.fields)
        return self.sentence(f"outage.{raised.code}", OUTAGES[raised.code], raised.fields)

    def invariant(self, code: InvariantCode) -> str:
        """The property of the books that ``verify`` recomputes."""
        return self.word("invariant", code)

    def event(self, code: EventCode, fields: Fields) -> str:
        """What happened to an order."""
        return self.sentence(f"event.{code}", EVENTS[code], fields)

    def event_with_run(self, runs: int, code: EventCode, fields: Fields) -> str:
        """What happened to an order of so many runs: names the run where there are several, and a try but the first."""
        event = self.event(code, fields)
        run = self.frame("run", run=self.value(fields["run"])) if runs > 1 and "run" in fields else ""
        attempt = fields.get("attempt", 1)
        place = self.listed(filter(None, (run, self.frame("try", attempt=self.value(attempt)) if attempt > 1 else "")))
        return self.frame("placed", place=place, event=event) if place else event

    def list_warning(self, oddity: ListWarning) -> str:
        """What is odd about a provider's answers."""
        return self.sentence(f"oddity.{oddity.code}", ODDITIES[oddity.code], oddity.fields)

    def stage(self, code: StageCode, fields: Fields) -> str:
        """The step of a start that is under way."""
        return self.sentence(f"stage.{code}", STAGES[code], fields)

    def list_change(self, change: ListChange) -> str:
        """What a price list changed of a service."""
        if change.code is ChangeCode.FIELD_MOVED:
            return self.field_change(change.fields["field"], change.fields["before"], change.fields["after"])
        return self.sentence(f"change.{change.code}", CHANGES[change.code], change.fields)

    def field_change(self, name: str, before: object, after: object) -> str:
        """A field before and after; of one that was empty, what it is."""
        label, now = self.label(name), self.field_value(name, after)
        if before is None:
            return self.frame("field", label=label, value=now)
        return self.frame("change", label=label, before=self.field_value(name, before), after=now)

    def field_lines(self, fields: Mapping[str, object]) -> str:
        """A line for each field."""
        return "\n".join(self._line(name, value) for name, value in fields.items())

    def _line(self, name: str, value: object) -> str:
        return self.frame("field", label=self.label(name), value=self.field_value(name, value))

    def label(self, name: str) -> str:
        """What a field is called; of one within something numbered (``runs.2.state``), where it lies too."""
        if "." not in name:
            return self.word("field", name) if name in LABELS else self.value(name.replace("_", " "))
        *place, part = (self._part(one) for one in name.split("."))
        return self.frame("within", place=" ".join(place), part=part)

    def _part(self, part: str) -> str:
        return self.word("part", part if part in TABLES["part"] else part.replace("_", " "))

    def field_value(self, name: str, value: object) -> str:
        """The value of a field: money as money, and what it means that there is none."""
        match value:
            case None | [] | "":
                return self._empty(name)
            case bool():
                return self.frame("yes" if value else "no")
            case int() if name in _MONEY:
                return self.value(short(Money(value)))
            case Mapping():
                return self._forms(value)
            case 0 if name in ("calls_per_second", "adds_at_a_time"):
                return self._empty(name)
            case str() if name in VALUES:
                return self.word(name, value)
        return self.value(value)

    def _empty(self, name: str) -> str:
        return self.word("empty", name) if name in EMPTY else self.frame("none")

    def _forms(self, forms: Mapping[str, str]) -> str:
        each = (
            self.frame("form", action=self.value(action), form=self.word("form", IdForm(form)))
            for action, form in forms.items()
        )
        return self.listed(each) or self.frame("forms_usual")

    def sale_state(self, service: Service) -> str:
        """Whether a service is sold, and why not."""
        if not service.on_sale:
            return self.frame("off_sale")
        if service.halted is None:
            return self.frame("on_sale")
        return self.frame("not_sold", why=self.filled(self.word("halt", service.halted), {}))

    def permitted_actions(self, service: Service) -> str:
        """What customers may ask of its orders."""
        return self.listed(self.word("permit", field) for field in PERMITS if getattr(service, field))

    def actor(self, name: str, kind: str | None) -> str:
        """Who acted. Rows from before there were kinds have it in the name."""
        return self.value(name) if kind is None else self.frame("by_kind", name=self.value(name), kind=self.value(kind))

    def audit_action(self, action: str, subject: str) -> str:
        """What was done to which thing; an action that this release does not know is shown as it is kept."""
        if action in TABLES["audit"]:
            return self.filled(self.word("audit", action), {"subject": subject})
        return self.frame("unknown_action", action=self.value(action), subject=self.value(subject))

    def audit_detail(self, kept: Mapping[str, object]) -> list[str]:
        """Each field that changed, before and after, then what else is told. A row of another shape, as releases
        before this one wrote, is shown as it is kept."""
        changes = kept.get("changes")
        if not isinstance(changes, Mapping):
            return [json.dumps(kept, ensure_ascii=False)] if kept else []
        lines = [self.field_change(str(name), *pair) for name, pair in changes.items() if pair[0] != pair[1]]
        return lines + [self._line(name, value) for name, value in kept.items() if name != "changes"]


ENGLISH: Final = Speech(SOURCE, NullTranslations(), Direction.UNMARKED)
"""English without marks of direction, as the command line prints it."""


@cache
def in_language(language: str) -> Speech:
    """The speech of a language that has a catalogue; LookupError where it has none. For pages and mail, which know
    marks of direction."""
    translations = catalogue(language)
    direction = translations.pgettext("language.direction", LANGUAGE["direction"])
    return Speech(language, translations, Direction(direction))
