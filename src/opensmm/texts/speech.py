"""The texts of codes with their fields, in each language."""

import json
from collections.abc import Mapping
from functools import cache
from gettext import NullTranslations
from typing import Final

from opensmm.base.errors import Misconfigured, Unavailable
from opensmm.base.money import Money, format_amount
from opensmm.domain.catalogue import Service
from opensmm.domain.codes import ChangeCode, EventCode, Fields, FindingCode, ListWarning, StageCode
from opensmm.domain.findings import Finding, Level
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.operator_refusals import OperatorRefusal
from opensmm.domain.price_sync import ListChange
from opensmm.domain.providers import IdForm
from opensmm.texts.catalogues import SOURCE, load_translations
from opensmm.texts.english import CHANGES, EVENTS, REFUSALS, STAGES, WARNINGS
from opensmm.texts.english_fields import EMPTY, LABELS, LANGUAGE, PERMITS, VALUES
from opensmm.texts.english_findings import FINDINGS
from opensmm.texts.english_setup import OUTAGES, SETUP
from opensmm.texts.isolation import Direction
from opensmm.texts.sentences import Sentences
from opensmm.texts.tables import TABLES

_MONEY: Final = frozenset(("amount", "balance", "credit_limit", "earned", "overdrawn"))
"""Names of fields whose whole numbers are amounts of money. A new field of money must be added here."""


class Speech(Sentences):
    """All texts of the product in one language. ``name`` is the language's own, ``direction`` is ``ltr`` or ``rtl``."""

    def __init__(self, language: str, translations: NullTranslations, direction: Direction) -> None:
        super().__init__(translations, direction)
        self.language = language
        self.name = self.word("language", "name")
        self.direction = self.word("language", "direction")

    def finding(self, code: FindingCode, fields: Fields) -> tuple[str, str]:
        """Returns the sentence of a finding's code, and its advice, which may be empty."""
        words, context = FINDINGS[code], f"finding.{code}"
        return self.sentence(context, words, fields), self.advice(context, words, fields)

    def health_finding(self, finding: Finding) -> tuple[str, str]:
        """Returns the sentence of a finding, and its advice, which is empty at level OK."""
        words, context = FINDINGS[finding.code], f"finding.{finding.code}"
        do = "" if finding.level is Level.OK else self.advice(context, words, finding.fields)
        return self.sentence(context, words, finding.fields), do

    def refusal(self, refused: OperatorRefusal) -> str:
        """Returns the sentence of a refusal."""
        return self.sentence(f"refusal.{refused.code}", REFUSALS[refused.code], refused.fields)

    def fault(self, error: Misconfigured | Unavailable) -> str:
        """Returns the reason why the panel cannot start, or a request failed as a whole."""
        if isinstance(error, Misconfigured):
            return self.sentence(f"setup.{error.code}", SETUP[error.code], error.fields)
        return self.sentence(f"outage.{error.code}", OUTAGES[error.code], error.fields)

    def invariant(self, code: InvariantCode) -> str:
        """Returns the sentence of an invariant of the books, which ``verify`` checks."""
        return self.word("invariant", code)

    def event(self, code: EventCode, fields: Fields) -> str:
        """Returns the sentence of an order's event."""
        return self.sentence(f"event.{code}", EVENTS[code], fields)

    def event_with_run(self, runs: int, code: EventCode, fields: Fields) -> str:
        """Returns the sentence of an event, with its run if the order has several, and its try if not the first."""
        event = self.event(code, fields)
        run = self.frame("run", run=self.value(fields["run"])) if runs > 1 and "run" in fields else ""
        attempt = fields.get("attempt", 1)
        place = self.join_list(
            filter(None, (run, self.frame("try", attempt=self.value(attempt)) if attempt > 1 else ""))
        )
        return self.frame("located", place=place, event=event) if place else event

    def list_warning(self, warning: ListWarning) -> str:
        """Returns the sentence of a warning about a provider's price list or other responses."""
        return self.sentence(f"warning.{warning.code}", WARNINGS[warning.code], warning.fields)

    def stage(self, code: StageCode, fields: Fields) -> str:
        """Returns the sentence of a stage of the start."""
        return self.sentence(f"stage.{code}", STAGES[code], fields)

    def list_change(self, change: ListChange) -> str:
        """Returns the sentence of a service's change by its price list."""
        if change.code is ChangeCode.FIELD_MOVED:
            return self.field_change(change.fields["field"], change.fields["before"], change.fields["after"])
        return self.sentence(f"change.{change.code}", CHANGES[change.code], change.fields)

    def field_change(self, name: str, before: object, after: object) -> str:
        """Returns a field with its values before and after; only the new one if it had none."""
        label, now = self.label(name), self.field_value(name, after)
        if before is None:
            return self.frame("field", label=label, value=now)
        return self.frame("change", label=label, before=self.field_value(name, before), after=now)

    def field_lines(self, fields: Mapping[str, object]) -> str:
        """Returns a line for each field."""
        return "\n".join(self._line(name, value) for name, value in fields.items())

    def _line(self, name: str, value: object) -> str:
        return self.frame("field", label=self.label(name), value=self.field_value(name, value))

    def label(self, name: str) -> str:
        """Returns a field's label. The label of a nested field, such as ``runs.2.state``, has its place too."""
        if "." not in name:
            return self.word("field", name) if name in LABELS else self.value(name.replace("_", " "))
        *place, part = (self._part(part) for part in name.split("."))
        return self.frame("within", place=" ".join(place), part=part)

    def _part(self, part: str) -> str:
        return self.word("part", part if part in TABLES["part"] else part.replace("_", " "))

    def field_value(self, name: str, value: object) -> str:
        """Returns the text of a field's value: money as decimals, and the meaning of a missing value."""
        match value:
            case None | [] | "":
                return self._empty(name)
            case bool():
                return self.frame("yes" if value else "no")
            case int() if name in _MONEY:
                return self.value(format_amount(Money(value)))
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
        parts = (
            self.frame("form", action=self.value(action), form=self.word("form", IdForm(form)))
            for action, form in forms.items()
        )
        return self.join_list(parts) or self.frame("forms_usual")

    def sale_state(self, service: Service) -> str:
        """Returns the state of a service's sale: on sale, off sale, or not sold and why."""
        if not service.on_sale:
            return self.frame("off_sale")
        if service.halted is None:
            return self.frame("on_sale")
        return self.frame("not_sold", why=self.fill(self.word("halt", service.halted), {}))

    def permitted_actions(self, service: Service) -> str:
        """Returns the list of what customers may request for the service's orders."""
        return self.join_list(self.word("permit", field) for field in PERMITS if getattr(service, field))

    def actor(self, name: str, kind: str | None) -> str:
        """Returns an actor's name and kind. Old rows have no kind: it is part of their name."""
        return self.value(name) if kind is None else self.frame("by_kind", name=self.value(name), kind=self.value(kind))

    def audit_action(self, action: str, subject: str) -> str:
        """Returns the sentence of an action on a subject. An action unknown to this release is shown as its code."""
        if action in TABLES["audit"]:
            return self.fill(self.word("audit", action), {"subject": subject})
        return self.frame("unknown_action", action=self.value(action), subject=self.value(subject))

    def audit_detail(self, detail: Mapping[str, object]) -> list[str]:
        """Returns a line for each changed field of an audit row, then one for each other field.

        A row of an older release may have another structure, and is shown as JSON.
        """
        changes = detail.get("changes")
        if not isinstance(changes, Mapping):
            return [json.dumps(detail, ensure_ascii=False)] if detail else []
        lines = [self.field_change(str(name), *pair) for name, pair in changes.items() if pair[0] != pair[1]]
        return lines + [self._line(name, value) for name, value in detail.items() if name != "changes"]


ENGLISH: Final = Speech(SOURCE, NullTranslations(), Direction.UNMARKED)
"""English without marks of direction, as the command line prints it."""


@cache
def in_language(language: str) -> Speech:
    """Returns the speech of a language, with marks of direction, for pages and mail.

    Raises LookupError if the language has no catalogue.
    """
    translations = load_translations(language)
    direction = translations.pgettext("language.direction", LANGUAGE["direction"])
    return Speech(language, translations, Direction(direction))
