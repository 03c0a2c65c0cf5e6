"""Answers that are not understood, as ``health`` tells them: with their words, within minutes, no longer than so."""

import pytest
from tests.panel import PEPPER, broken, fetch
from tests.subscribing import look, subscribed

from opensmm.actions import monitoring
from opensmm.domain.findings import Level
from opensmm.texts.speech import ENGLISH


async def finding(conn, clock):
    _, findings = await monitoring.inspect_panel(conn, PEPPER, clock(), private=True)
    return next(one for one in findings if one.name == "answers")


async def report_status(worker, fake, status, seconds):
    fake.answers["status"] = status
    worker.clock.forward(seconds)
    await worker.follow()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"7": {"status": "Teapot"}}, "Teapot"),
        ({"7": {"error": "Incorrect order ID"}}, "Incorrect order ID"),
        ({"error": "Invalid API key"}, "Invalid API key"),
        (b"<html>Please log in</html>", "<html>Please log in</html>"),
    ],
)
async def test_they_are_found_after_a_minute_until_one_is_understood(api, ann, stocked, lied_to, clock, status, words):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    await report_status(worker, fake, status, 2)
    assert Level.OK is (await finding(stocked, clock)).level
    await report_status(worker, fake, status, 60)
    findings = await finding(stocked, clock)
    fields = findings.fields
    assert (Level.WARNING, words, "Sandbox", 1) == (
        findings.level,
        fields["words"],
        fields["provider_name"],
        fields["count"],
    )
    assert f"Sandbox reports “{words}”" in ENGLISH.health_finding(findings)[0]
    clock.forward(6 * 3600)
    assert Level.CRITICAL is (await finding(stocked, clock)).level
    await report_status(worker, fake, {"7": {"status": "In progress", "remains": "9"}}, 60)
    assert Level.OK is (await finding(stocked, clock)).level


async def test_those_about_a_subscription_are_found_too(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    await subscribed(api, ann, worker, fake)
    for _ in range(3):
        await look(worker, fake, {}, status="Teapot")
    findings = await finding(stocked, clock)
    assert (Level.WARNING, "Teapot") == (findings.level, findings.fields["words"])
    await look(worker, fake, {})
    assert Level.OK is (await finding(stocked, clock)).level
    assert [(None, None)] == await fetch(stocked, "select note, noted from delivery where quantity = 0")
    assert [] == await broken(stocked)
