"""``health``: what needs the operator's attention."""

import shutil
from collections.abc import Iterator
from typing import Final

import typer
from msgspec import to_builtins
from rich.text import Text

from opensmm.actions import monitoring
from opensmm.cli.context import Data, Json, answer, now, out, read_existing_config, with_database
from opensmm.domain.disk import disk
from opensmm.domain.findings import SEVERITY, Finding, Level, worst
from opensmm.domain.panel_facts import PanelFacts
from opensmm.texts.speech import ENGLISH

LEVEL_WIDTH: Final = max(map(len, Level))
_COLOURS: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.CRITICAL: "red"}


def show(data: Data = None, json: Json = False) -> None:
    """Report what needs attention, the worst first. Exits with 0 if all is well, 1 for a warning, 2 if critical."""
    config, at = read_existing_config(data), now()
    pepper, private = config.readable_pepper(), config.private_providers
    facts, findings = with_database(
        config, lambda connection: monitoring.inspect_panel(connection, pepper, at, private=private)
    )
    if not config.database_url:
        room = shutil.disk_usage(config.data)
        findings.append(disk(str(config.data), room.free, room.total))
    level = worst(findings)
    if json:
        fields = {
            "level": level.value,
            "findings": [_encode_finding(finding) for finding in findings],
            "facts": _encode_facts(facts),
        }
        answer({"at": at, **fields}, "", json=True)
    else:
        for line in _format_findings(findings):
            out.print(line)
    raise typer.Exit(SEVERITY[level])


def _format_findings(findings: list[Finding]) -> Iterator[Text]:
    """Yields a line for each finding, the worst first, and below it what to do."""
    wide = max(len(finding.name) for finding in findings)
    for finding in sorted(findings, key=lambda finding: -SEVERITY[finding.level]):
        level = f"{finding.level:<{LEVEL_WIDTH}}"
        says, do = ENGLISH.health_finding(finding)
        yield Text.assemble((level, _COLOURS[finding.level]), f"  {finding.name:<{wide}}  {says}")
        if do:
            yield Text(f"{'':<{LEVEL_WIDTH + wide + 4}}→ {do}")


def _encode_facts(facts: PanelFacts) -> dict[str, object]:
    """Returns the facts for a program. The key ``shelf`` is older than the name of the field."""
    plain: dict[str, object] = to_builtins(facts)
    plain["shelf"] = plain.pop("unsold")
    return plain


def _encode_finding(finding: Finding) -> dict[str, object]:
    """Returns a finding for a program: the words, and the code with its fields."""
    says, do = ENGLISH.health_finding(finding)
    coded = {"code": finding.code.value, "fields": to_builtins(dict(finding.fields))}
    return {"name": finding.name, "level": finding.level.value, "says": says, "do": do, **coded}
