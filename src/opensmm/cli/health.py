"""``health``: what an operator must know first."""

import shutil
from collections.abc import Iterator
from typing import Final

import typer
from msgspec import to_builtins
from rich.text import Text

from opensmm.actions import monitoring
from opensmm.cli.context import Data, Json, answer, now, out, standing, with_database
from opensmm.domain.disk import disk
from opensmm.domain.findings import SEVERITY, Finding, Level, worst
from opensmm.domain.monitoring import PanelFacts
from opensmm.texts.speech import ENGLISH

LEVEL_WIDTH: Final = max(map(len, Level))
_COLOURS: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.CRITICAL: "red"}


def show(data: Data = None, json: Json = False) -> None:
    """Report what needs attention, the worst first. Exits with 0 if all is well, 1 for a warning, 2 if critical."""
    config, at = standing(data), now()
    pepper, private = config.known_pepper(), config.private_providers
    facts, findings = with_database(config, lambda connection: monitoring.look(connection, pepper, at, private=private))
    if not config.database_url:
        room = shutil.disk_usage(config.data)
        findings.append(disk(str(config.data), room.free, room.total))
    level = worst(findings)
    if json:
        said = {
            "level": level.value,
            "findings": [_plain(finding) for finding in findings],
            "facts": _plain_facts(facts),
        }
        answer({"at": at, **said}, "", json=True)
    else:
        for line in _told(findings):
            out.print(line)
    raise typer.Exit(SEVERITY[level])


def _told(findings: list[Finding]) -> Iterator[Text]:
    """The findings, worst first, a line each; what to do stands below."""
    wide = max(len(finding.name) for finding in findings)
    for finding in sorted(findings, key=lambda finding: -SEVERITY[finding.level]):
        level = f"{finding.level:<{LEVEL_WIDTH}}"
        says, do = ENGLISH.judged_finding(finding)
        yield Text.assemble((level, _COLOURS[finding.level]), f"  {finding.name:<{wide}}  {says}")
        if do:
            yield Text(f"{'':<{LEVEL_WIDTH + wide + 4}}→ {do}")


def _plain_facts(facts: PanelFacts) -> dict[str, object]:
    """Returns the facts for a program. The key ``shelf`` is older than the name of the field."""
    plain: dict[str, object] = to_builtins(facts)
    plain["shelf"] = plain.pop("unsold")
    return plain


def _plain(finding: Finding) -> dict[str, object]:
    """For programs: the words, and the code with its fields."""
    says, do = ENGLISH.judged_finding(finding)
    coded = {"code": finding.code.value, "fields": to_builtins(dict(finding.fields))}
    return {"name": finding.name, "level": finding.level.value, "says": says, "do": do, **coded}
