"""Every code has words, and every placeholder of theirs is plain."""

import string
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from opensmm.domain.audit import AuditAction
from opensmm.domain.codes import EventCode, FindingCode, RefusalCode, ShutCode, StageCode
from opensmm.texts import english, words


@pytest.mark.parametrize(
    ("codes", "catalogue"),
    [
        (FindingCode, english.FINDINGS),
        (RefusalCode, english.REFUSALS),
        (EventCode, english.EVENTS),
        (ShutCode, english.SHUTS),
        (StageCode, english.STAGES),
        (AuditAction, english.ACTIONS),
    ],
)
def test_every_code_has_words(codes, catalogue):
    assert set(codes) == set(catalogue)


def placeholders(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("catalogue", [english.FINDINGS, english.REFUSALS, english.EVENTS, english.STAGES])
def test_the_words_for_one_have_the_placeholders_of_those_for_many_but_for_the_count(catalogue):
    for told in catalogue.values():
        if told.one:
            assert placeholders(told.says) - {"count"} == placeholders(told.one) - {"count"}
        assert all(name.isidentifier() for name in placeholders(told.says + told.do))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(seconds=119), "119 seconds"),
        (timedelta(minutes=2), "2 minutes"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=3, hours=20), "3 days"),
        (timedelta(seconds=-1), "0 seconds"),
        (datetime(2026, 12, 1, 9, 5, tzinfo=UTC), "2026-12-01 09:05:00 UTC"),
        (Decimal("1E+2"), "100"),
        (None, "unknown"),
        (ShutCode.NO_KEY, "it has no key"),
        ((1, "a"), "1, a"),
        ([], "none"),
        ("{as it came}", "{as it came}"),
    ],
)
def test_a_field_is_shown_as_a_person_reads_it(value, text):
    assert text == words.shown(value)
