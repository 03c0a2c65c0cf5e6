"""``policy``: rules on what may be sold, and on the links that orders may have."""

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

policy_verbs: Final = typer.Typer(
    help="Rules on what may be sold, and on the links that orders may have.", no_args_is_help=True
)

Reason = Annotated[str, typer.Option("--reason", help="Why; stored in the history.")]
Kind = Annotated[
    RuleKind,
    typer.Argument(
        metavar="prohibit|deny|allow",
        help="prohibit: a phrase in a service's name, category or description; deny, allow: where links lead.",
    ),
]


@policy_verbs.command("show")
def show(data: Data = None, json: Json = False) -> None:
    """Show the rules in force."""
    present = with_database(read_existing_config(data), policy.read_policy)
    if json:
        answer({"version": present.version, "rules": present.rules}, "", json=True)
        return
    lines = [f"{rule.id:>4}  {rule.kind:<8}  {rule.value}{_format_reason(rule.reason)}" for rule in present.rules]
    answer({}, "\n".join([*lines, f"{len(lines)} rules, as of version {present.version}"]), json=False)


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
        bool, typer.Option("--take-off-sale", help="Take the services off sale that a new `prohibit` matches.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a rule. If several match a link, the most specific counts: account, longer path, path, host, everywhere."""
    added = with_database(
        read_config(data),
        lambda connection: policy.add_rule(
            connection, NewRule(kind, value, reason), take_off_sale=take_off_sale, by=by()
        ),
    )
    text, off_sale = f"rule {added.rule.id}: {added.rule.kind} {added.rule.value}", [one.id for one in added.off_sale]
    if off_sale:
        text += f"; off sale now: {', '.join(map(str, off_sale))}"
    answer({"rule": added.rule, "off_sale": off_sale}, text, json=json)


@policy_verbs.command("remove")
def remove(
    rule: Annotated[list[int], typer.Argument(metavar="RULE...", help="Rules by their numbers.")],
    reason: Reason = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Remove rules. The history still shows them."""
    gone = with_database(
        read_config(data),
        lambda connection: policy.remove_rules(connection, [RuleId(number) for number in rule], by=by(reason)),
    )
    text = "\n".join(f"removed: rule {one.id}, {one.kind} {one.value}" for one in gone)
    answer({"removed": gone}, text, json=json)


@policy_verbs.command("history")
def history(
    limit: Annotated[int, typer.Option("--limit", help="Rows at most, newest first.", min=1, max=10_000)] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show who added or removed which rule, and when."""
    changes = with_database(read_existing_config(data), lambda connection: rows.list_changes(connection, limit))
    if json:
        answer({"history": changes}, "", json=True)
        return
    answer({}, "\n".join(map(_format_change, changes)), json=False)


def _format_change(change: PolicyChange) -> str:
    what = f"removed rule {change.removes}" if change.removes else f"added rule {change.id}"
    head = f"{ENGLISH.value(change.at)}  {change.actor}  version {change.version}"
    return f"{head}  {what}: {change.kind} {change.value}{_format_reason(change.reason)}"


@policy_verbs.command("test")
def try_out(
    link: Annotated[
        str, typer.Argument(metavar="[LINK]", help="A link, or a name on a network, as a customer would give it.")
    ] = "",
    service: Annotated[str, typer.Option("--service", metavar="NAME", help="The name of a service.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Test a link or a service's name against the policy. Exits with 1 if it is refused."""
    if bool(link) == bool(service):
        fail("give a link, or --service with a name", MISUSED)
    present = with_database(read_existing_config(data), policy.read_policy)
    rule, refused = _try_policy(present, link, service)
    verdict = "refused" if refused else "passes"
    because = f" by rule {rule.id}: {rule.kind} {rule.value}" if rule else ": no rule matches it"
    answer({"refused": refused, "rule": rule, "version": present.version}, verdict + because, json=json)
    if refused:
        raise typer.Exit(FAILED)


def _try_policy(present: Policy, link: str, service: str) -> tuple[PolicyRule | None, bool]:
    """Returns the rule that decides, and True if it refuses."""
    if service:
        rule = present.prohibits(service)
        return rule, rule is not None
    return present.link_rule(link), present.denies(link)
