"""``import-services``: makes services from a provider's price list, after showing a plan."""

from collections import Counter
from typing import Annotated, Any, Final

import typer
from msgspec import to_builtins
from rich.progress import Progress

from opensmm.actions import service_import
from opensmm.actions.references import find_provider
from opensmm.cli.context import MISUSED, Data, Json, answer, by, err, fail, read_existing_config, with_database
from opensmm.cli.price_sync import Confirm, read_added, read_percent
from opensmm.cli.providers import encode_line, encode_warnings, fetch_price_list
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.codes import FindingCode
from opensmm.domain.pricing import MAX_DECIMALS, PriceTerms
from opensmm.domain.provider_services import UnreadLine
from opensmm.domain.service_import import ImportChange, ImportChoice, ImportPlan, ImportTerms
from opensmm.texts.sentences import quote_command
from opensmm.texts.speech import ENGLISH

SHOWN: Final = 20
"""Lines of each kind in a plan that a person is shown."""


def import_services(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's name or id.")],
    write: Annotated[bool, typer.Option("--write", help="Carry the plan out. Without it nothing changes.")] = False,
    margin: Annotated[str, typer.Option("--margin", metavar="PERCENT", help="Added to rates, such as 25.")] = "0",
    fixed: Annotated[
        str, typer.Option("--add", metavar="AMOUNT", help="Added per 1000, in the panel's currency.")
    ] = "0",
    decimals: Annotated[
        int, typer.Option("--decimals", help="Decimals of your rates, which are rounded up.", min=0, max=MAX_DECIMALS)
    ] = 4,
    reprice: Annotated[bool, typer.Option("--reprice", help="Also change the prices of existing services.")] = False,
    renamed: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=OURS", help="Your name for one of its categories; repeatable."),
    ] = None,
    into: Annotated[str, typer.Option("--into", help="One category for all services.")] = "",
    category: Annotated[
        list[str] | None, typer.Option("--category", help="Import only this category of the provider; repeatable.")
    ] = None,
    search: Annotated[str, typer.Option("--search", help="Import only lines with this text in name or category.")] = "",
    confirm: Confirm = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Import a provider's services. New services are routed to it and off sale, so that you can check them first."""
    config = read_existing_config(data)
    row = with_database(config, lambda connection: find_provider(connection, provider))
    price = PriceTerms(row.exchange_rate, read_percent(margin), read_added(fixed, "what is added"), decimals)
    terms = ImportTerms(price, _read_categories(renamed or []), into)
    requested, offered = fetch_price_list(config, row)

    choice = ImportChoice(tuple(category or ()), search)
    with Progress(console=err, transient=True, disable=not (write and err.is_terminal)) as progress:
        bar = progress.add_task("writing")
        result = with_database(
            config,
            lambda connection: service_import.import_services(
                connection, row.id, offered, choice, terms, asked_at=requested, reprice=reprice, confirmed=confirm,
                write=write, by=by(), wrote=lambda some, total: progress.update(bar, advance=some, total=total),
            ),
        )  # fmt: skip
    plan, written = result.plan, result.written
    summary = _summarize(plan, written)
    new = [{**encode_line(line.line), "service": line.service} for line in plan.new]
    shown = to_builtins(plan) | {"new": new, "left_out": [_encode_unread(line) for line in plan.left_out]}
    fields = summary | {"plan": shown, "odd": encode_warnings(offered.odd)}
    answer(fields, _format_report(row.name, plan, summary, write=write), json=json)


def _read_categories(renamed: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in renamed]
    if any(not theirs.strip() or not ours.strip() for theirs, _, ours in pairs):
        fail("write --map as THEIRS=OURS", MISUSED)
    return {theirs.strip(): ours.strip() for theirs, _, ours in pairs}


def _summarize(plan: ImportPlan, written: int) -> dict[str, Any]:
    return {
        "new": len(plan.new),
        "changed": len(plan.changed),
        "price_moves": sum(change.moved for change in plan.changed),
        "prices_by_hand": sum(change.by_hand for change in plan.changed),
        "gone": len(plan.gone),
        "same": plan.same,
        "left_out": len(plan.left_out),
        "written": written,
        "subscriptions": sum(one.service.type is ServiceType.SUBSCRIPTIONS for one in plan.new),
    }


def _format_report(provider: str, plan: ImportPlan, summary: dict[str, Any], *, write: bool) -> str:
    new = Counter(one.service.category for one in plan.new)
    sections = (
        [f"new in {name}: {count}" for name, count in new.most_common()],
        [f"price of {_format_price(one)}" for one in plan.changed if one.moved and not one.by_hand],
        [f"gone: service {one.id} ({one.name})" for one in plan.gone],
    )
    lines = [line for section in sections for line in _shorten(section)]
    lines += [f"price set by hand of {_format_price(one)}" for one in plan.changed if one.by_hand]
    lines += [f"left out: {' '.join(filter(None, _format_unread(one)))}" for one in plan.left_out]
    shown = {name: count for name, count in summary.items() if count or (write and name == "written")}
    lines.append(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in shown.items()) or "nothing matches")
    if subscriptions := summary["subscriptions"]:
        lines.append(ENGLISH.finding(FindingCode.SUBSCRIPTIONS_NEED_POSTS, {"count": subscriptions})[0])
    if not write:
        lines.append("nothing was written; add --write to carry it out")
    elif plan.new:
        deliver = quote_command("service", "deliver", "--provider", provider)
        lines.append(
            f"new services are off sale: {deliver} states how they are delivered, and with --on-sale sells them"
        )
    return "\n".join(lines)


def _format_price(change: ImportChange) -> str:
    before, after = change.before, change.after
    return f"service {before.id} ({before.name}): {before.rate} → {after.rate}"


def _encode_unread(line: UnreadLine) -> dict[str, Any]:
    """Returns a line that is left out for a program, with the reason in words and as a code with fields."""
    why = {"says": ENGLISH.value(line.why), "code": line.why.code, "fields": line.why.fields}
    return {"provider_service": line.service, "name": line.name, **why}


def _format_unread(line: UnreadLine) -> tuple[str, ...]:
    return line.service, f"{line.name}:", ENGLISH.value(line.why)


def _shorten(section: list[str]) -> list[str]:
    rest = len(section) - SHOWN
    return [*section[:SHOWN], *([f"  and {rest} more"] if rest > 0 else [])]
