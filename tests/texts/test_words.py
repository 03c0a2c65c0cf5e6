"""Every code has words, and every placeholder of theirs is plain."""

import string
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from opensmm.base.error_codes import Obstacle, OutageCode, RolePower, SetupCode, TooMuch
from opensmm.base.errors import Misconfigured, Unavailable
from opensmm.domain.audit import AuditAction
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.codes import (
    ChangeCode,
    EventCode,
    FieldCode,
    FindingCode,
    LineCode,
    LineFault,
    ShutCode,
    StageCode,
    WarningCode,
)
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.evidence import Conclusion
from opensmm.domain.findings import Finding, Level
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.operator_refusals import RefusalCode
from opensmm.domain.price_sync import DoubtCode, ListDoubt
from opensmm.texts import english, english_providers
from opensmm.texts.english_findings import FINDINGS
from opensmm.texts.english_invariants import INVARIANTS
from opensmm.texts.english_setup import OUTAGES, POWERS, SETUP
from opensmm.texts.sentences import quote_command
from opensmm.texts.speech import ENGLISH


@pytest.mark.parametrize(
    ("codes", "catalogue"),
    [
        (FindingCode, FINDINGS),
        (RefusalCode, english.REFUSALS),
        (EventCode, english.EVENTS),
        (ShutCode, english.SHUTS),
        (FieldCode, english.FIELDS),
        (StageCode, english.STAGES),
        (AuditAction, english.ACTIONS),
        (Conclusion, english.CONCLUSIONS),
        (ChangeCode, english.CHANGES),
        (LineCode, english.LINES),
        (WarningCode, english.WARNINGS),
        (CallCode, english_providers.CALLS),
        (DoubtCode, english_providers.DOUBTS),
        (SetupCode, SETUP),
        (InvariantCode, INVARIANTS),
        (OutageCode, OUTAGES),
        (RolePower, POWERS),
    ],
)
def test_every_code_has_words(codes, catalogue):
    assert set(codes) == set(catalogue)


def placeholders(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("catalogue", [FINDINGS, english.REFUSALS, english.EVENTS, english.STAGES, SETUP, OUTAGES])
def test_the_words_for_one_have_the_placeholders_of_those_for_many_but_for_the_count(catalogue):
    for forms in catalogue.values():
        if forms.singular:
            assert placeholders(forms.says) - {"count"} == placeholders(forms.singular) - {"count"}
        whole = forms.says + forms.none + forms.do + "".join(end for _, end in forms.more)
        assert all(name.isidentifier() for name in placeholders(whole))


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
        (Conclusion.NOT_BOUGHT, "the provider did not accept it"),
        (DeliveryState.IN_PROGRESS, "in progress"),
        (DeliveryState.PARTIAL, "partial"),
        ((1, "a"), "1, a"),
        ([], "none"),
        (CallFault(CallCode.NOBODY_LISTENS, {"at": "127.0.0.1:9"}), "127.0.0.1:9 refused the connection"),
        (CallFault(CallCode.HTTP_STATUS, {"status": 502, "words": "{x}"}), "HTTP 502: {x}"),
        (
            ListDoubt(DoubtCode.LACKS_SERVICES, {"lost": 2, "fulfilled": 3}),
            "its price list lacks 2 of the 3 services that it fulfils",
        ),
        (
            ListDoubt(DoubtCode.LACKS_SERVICES, {"lost": 2, "fulfilled": 3, "unread": 1, "example": "7"}),
            "its price list lacks 2 of the 3 services that it fulfils; the lines of 1 of these cannot be read, such as "
            "that of service 7",
        ),
        (LineFault(LineCode.NO_RATE, {"rate": None}), "it has no readable rate"),
        (
            LineFault(LineCode.NO_RANGE, {"min": "x", "max": "5"}),
            "it has no readable range of quantities, from “x”, to “5”",
        ),
        (
            ({"service": 3, "why": LineFault(LineCode.LISTED_TWICE)},),
            "3: it is listed twice, and the first line was used",
        ),
        ("{as it came}", "{as it came}"),
    ],
)
def test_a_field_is_shown_as_a_person_reads_it(value, text):
    assert text == ENGLISH.value(value)


@pytest.mark.parametrize(
    ("unknown", "says"),
    [
        ({"remains": None, "start_count": None}, "last polled: pending"),
        ({"remains": 0, "start_count": None}, "last polled: pending, 0 of 9 remain"),
        ({"remains": 4, "start_count": 50}, "last polled: pending, 4 of 9 remain, start count 50"),
    ],
)
def test_of_what_is_not_known_a_sentence_says_nothing(unknown, says):
    fields = {"state": DeliveryState.PENDING, "quantity": 9, **unknown}
    assert says == ENGLISH.event(EventCode.ASKED_AFTER, fields)


@pytest.mark.parametrize(
    ("detail", "says"),
    [
        ({"asked": None}, "checked: the provider did not accept it"),
        (
            {
                "asked": 5,
                "low": 7,
                "high": 13,
                "not_ours": 3,
                "words": "No such order",
                "ours": (
                    {"provider_order": "8", "status": "pending"},
                    {"provider_order": "9", "status": "partial"},
                ),
            },
            "checked: the provider did not accept it. Far was asked about 5 ids above 7 and below 13: 3 are not ours "
            "(“No such order”); ours: 8 pending, 9 partial",
        ),
        (
            {"asked": 5, "low": 7, "high": None, "not_ours": 5, "words": "", "ours": ()},
            "checked: the provider did not accept it. Far was asked about 5 ids above 7: 5 are not ours",
        ),
    ],
)
def test_what_was_asked_of_a_provider_is_told_with_the_conclusion(detail, says):
    fields = {"conclusion": Conclusion.NOT_BOUGHT, "provider_name": "Far", **detail}
    assert says == ENGLISH.event(EventCode.LOOKED_INTO, fields)


@pytest.mark.parametrize(
    ("runs", "fields", "before"),
    [
        (1, {"run": 1, "attempt": 1}, ""),
        (1, {"run": 1, "attempt": 2}, "attempt 2: "),
        (3, {"run": 2, "attempt": 1}, "run 2: "),
        (3, {"run": 2, "attempt": 2}, "run 2, attempt 2: "),
    ],
)
def test_a_run_and_a_try_are_named_where_there_are_several(runs, fields, before):
    text = ENGLISH.event_with_run(runs, EventCode.SETTLED_NOT_BOUGHT, fields | {"provider_name": "Far"})
    assert text == f"{before}resolved: Far did not accept it"


@pytest.mark.parametrize(
    ("code", "fields", "says"),
    [
        (FindingCode.DUE, {"count": 0, "age": None}, "no delivery is due to be sent"),
        (
            FindingCode.DUE,
            {"count": 1, "age": timedelta(minutes=5)},
            "1 delivery is due to be sent, the oldest for 5 minutes",
        ),
        (
            FindingCode.UNSURE_DELIVERIES,
            {"count": 50_000, "at_least": True, "age": timedelta(days=3)},
            "at least 50000 deliveries are unsure: their providers may or may not have accepted them, the oldest for "
            "3 days",
        ),
        (
            FindingCode.QUARANTINED,
            {"count": 7, "services": (1, 2, 3), "more": 4},
            "7 services are in quarantine, because their cost or product changed too far: ids 1, 2, 3 and 4 more; "
            "subscriptions continue",
        ),
        (
            FindingCode.POSTS_REFUSED,
            {"count": 0, "age": None, "refused": 2, "remembered": timedelta(days=7)},
            "2 of the orders that providers made for posts in the last 7 days will never be charged",
        ),
        (
            FindingCode.PROVIDER_FAILS,
            {"failures": 4, "paused_until": datetime(2026, 12, 1, 9, 5, tzinfo=UTC)},
            "failed sends in a row: 4; it is not called until 2026-12-01 09:05:00 UTC",
        ),
        (
            FindingCode.PROVIDER_DISABLED,
            {"count": 1, "age": timedelta(hours=3)},
            "disabled: no orders are sent to it; no status update for 1 of its deliveries in twice the usual time, for "
            "the oldest in 3 hours",
        ),
        (
            FindingCode.PRICE_LIST_TAKEN,
            {"age": timedelta(hours=3), "fault": "it is empty"},
            "applied 3 hours ago; the newest list was not applied: it is empty",
        ),
        (FindingCode.PRICE_LIST_NEVER_READ, {"fault": ""}, "never applied"),
    ],
)
def test_a_finding_is_a_sentence_for_none_one_and_many(code, fields, says):
    assert says == ENGLISH.finding(code, fields | {"provider_name": "Far"})[0]


def test_a_command_names_things_as_a_shell_wants_them():
    fields = {"provider_name": "Far `away`; it's", "age": timedelta(hours=3), "words": "no"}
    says, do = ENGLISH.finding(FindingCode.PROVIDER_REFUSES_KEY, fields)
    assert "“no”" in says
    assert do.startswith("enter another key with `opensmm provider edit 'Far `away`; it'\"'\"'s' --ask-key`")
    assert "`opensmm provider check 'Far away'`" == quote_command("provider", "check", "Far away")


def test_of_what_is_well_nothing_is_to_be_done():
    fields = {"count": 3, "age": timedelta(minutes=5)}
    assert ("", True) == (
        ENGLISH.health_finding(Finding("due", Level.OK, FindingCode.DUE, fields))[1],
        bool(ENGLISH.health_finding(Finding("due", Level.WARNING, FindingCode.DUE, fields))[1]),
    )


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            Misconfigured(SetupCode.DATA_FOLDER_NOT_OURS, folder="/srv/my data", user="ann", words="denied"),
            "the data folder /srv/my data belongs to another user: denied; run OpenSMM as that user, or stop whatever "
            "runs in the folder and take it over: `sudo chown -R ann: '/srv/my data'`",
        ),
        (
            Misconfigured(
                SetupCode.ROLE_MAY_TOO_MUCH,
                role="app",
                powers=(TooMuch(RolePower.OWNS_TABLES, "orders"), TooMuch(RolePower.CHANGES_TRANSFERS, "delete")),
            ),
            "the role app owns or may act as the owner of orders, may delete transfers: set DATABASE_URL to a plain "
            "role that owns nothing, and DATABASE_ADMIN_URL to the owner's",
        ),
        (
            Misconfigured(
                SetupCode.PROGRAMS_DO_NOT_RUN,
                user="postgres",
                obstacles=[
                    Obstacle("/a", "No such file or directory", "pg_dump"),
                    Obstacle("/b", "", "initdb", 127),
                    Obstacle("/c", "sh: cannot open x", "sh", 2),
                    Obstacle("/d", "[Errno 30] Read-only file system: '/d'"),
                ],
            ),
            "the user postgres cannot run PostgreSQL:\n/a: pg_dump: No such file or directory\n/b: initdb: exit code "
            "127\n/c: sh: cannot open x\n/d: [Errno 30] Read-only file system: '/d'",
        ),
        (
            Misconfigured(SetupCode.DISK_FULL, folder="/srv", words=""),
            "PostgreSQL does not start in /srv: its disk is full: free some space there",
        ),
        (Unavailable(OutageCode.ROWS_LOCKED), "another transaction has locked the rows"),
        (Unavailable(OutageCode.NO_CONNECTION, words="refused"), "the database does not answer: refused"),
    ],
)
def test_a_fault_is_told_with_what_to_do(fault, says):
    assert says == ENGLISH.fault(fault)
