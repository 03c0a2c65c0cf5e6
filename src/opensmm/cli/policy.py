"""``policy``: what may not be sold, and where nothing is delivered."""

from typing import Annotated, Final

import typer

from opensmm.actions import policy
from opensmm.base.ids import RuleId
from opensmm.cli.context import (
    FAILED,
    MISUSED,
    Data,
    Json,
    answer,
    by,
    fail,
    read_config,
    read_existing_config,
    with_database,
)
from opensmm.domain.policy import Policy, PolicyRule, RuleKind
from opensmm.store import policy as rows
from opensmm.store.policy import NewRule, PolicyChange
from opensmm.texts.speech import ENGLISH

policy_verbs: Final = typer.Typer(help="What may not be sold, and where nothing is delivered.", no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the history.")]
Kind = Annotated[
    RuleKind,
    typer.Argument(
        metavar="prohibit|deny|allow",
        help="prohibit: a phrase in a service's words; deny, allow: a place that links lead to.",
    ),
]


@policy_verbs.command("show")
def show(data: Data = None, json: Json = False) -> None:
    """Show the rules that hold."""
    found = with_database(read_existing_config(data), policy.current)
    if json:
        answer({"version": found.version, "rules": found.rules}, "", json=True)
        return
    lines = [f"{rule.id:>4}  {rule.kind:<8}  {rule.value}{_format_reason(rule.reason)}" for rule in found.rules]
    answer({}, "\n".join([*lines, f"{len(lines)} rules, as of version {found.version}"]), json=False)


def _format_reason(reason: str) -> str:
    return f"  ({reason})" if reason else ""


@policy_verbs.command("add")
def add(
    kind: Kind,
    value: Annotated[
        str,
        typer.Argument(
            metavar="PHRASE|PLACE",
            help="prohibit: a phrase such as 'review*'. deny, allow: example.com, example.com/path, example.com/@name, "
            "@name, or * for everywhere.",
        ),
    ],
    reason: Reason = "",
    take_off_sale: Annotated[
        bool, typer.Option("--take-off-sale", help="Take services off sale that a new `prohibit` meets.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a rule. Of rules that meet one link the nearest counts: account, longer path, path, host, everywhere."""
    added = with_database(
        read_config(data),
        lambda connection: policy.add_rule(
            connection, NewRule(kind, value, reason), take_off_sale=take_off_sale, by=by()
        ),
    )
    said = f"rule {added.rule.id}: {added.rule.kind} {added.rule.value}"
    if added.off_sale:
        said += f"; off sale now: {', '.join(str(one.id) for one in added.off_sale)}"
    answer({"rule": added.rule, "off_sale": [one.id for one in added.off_sale]}, said, json=json)


@policy_verbs.command("remove")
def remove(
    rule: Annotated[list[int], typer.Argument(metavar="RULE...", help="Rules by their numbers.")],
    reason: Reason = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Take rules away; the history keeps them."""
    gone = with_database(
        read_config(data),
        lambda connection: policy.remove_rules(connection, [RuleId(number) for number in rule], by=by(reason)),
    )
    said = "\n".join(f"gone: rule {one.id}, {one.kind} {one.value}" for one in gone)
    answer({"removed": gone}, said, json=json)


@policy_verbs.command("history")
def history(
    limit: Annotated[int, typer.Option("--limit", help="How many, newest first.", min=1, max=10_000)] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """Tell who decided what, and when."""
    found = with_database(read_existing_config(data), lambda connection: rows.history(connection, limit))
    if json:
        answer({"history": found}, "", json=True)
        return
    answer({}, "\n".join(map(_format_change, found)), json=False)


def _format_change(one: PolicyChange) -> str:
    what = f"removed rule {one.removes}" if one.removes else f"added rule {one.id}"
    said = f"{ENGLISH.value(one.at)}  {one.actor}  version {one.version}  {what}: {one.kind} {one.value}"
    return said + _format_reason(one.reason)


@policy_verbs.command("test")
def try_out(
    link: Annotated[
        str, typer.Argument(metavar="[LINK]", help="A link, or a name on a network, as a customer would give it.")
    ] = "",
    service: Annotated[str, typer.Option("--service", metavar="NAME", help="The name of a service.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Try a link or a service's name on the policy; exit 1 where it is refused."""
    if bool(link) == bool(service):
        fail("give a link, or --service with a name", MISUSED)
    found = with_database(read_existing_config(data), policy.current)
    rule, refused = _try_policy(found, link, service)
    verdict = "refused" if refused else "passes"
    because = f" by rule {rule.id}: {rule.kind} {rule.value}" if rule else ": no rule meets it"
    answer({"refused": refused, "rule": rule, "version": found.version}, verdict + because, json=json)
    if refused:
        raise typer.Exit(FAILED)


def _try_policy(found: Policy, link: str, service: str) -> tuple[PolicyRule | None, bool]:
    if service:
        rule = found.prohibits(service)
        return rule, rule is not None
    return found.link_rule(link), found.denies(link)
