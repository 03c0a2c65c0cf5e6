"""Edits of the policy: the rules on services that may not be sold, and on links that nothing is delivered to."""

from collections.abc import Sequence

from msgspec import Struct, structs

from opensmm.actions.services import write_services_in_transaction
from opensmm.base.ids import RuleId
from opensmm.domain.audit import AuditAction, AuditEntry, By, created
from opensmm.domain.catalogue import Service
from opensmm.domain.codes import FieldCode
from opensmm.domain.names import check_text
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.policy import (
    MAX_REASON,
    MAX_RULES,
    NO_POLICY,
    Policy,
    PolicyRule,
    RuleKind,
    compile_policy,
    read_value,
)
from opensmm.domain.service_rules import NAMED, check_sellable
from opensmm.store import audit, catalogue
from opensmm.store import policy as rows
from opensmm.store.connection import Connection
from opensmm.store.policy import NewRule


class AddedRule(Struct, frozen=True):
    """A new rule, and the services that it took off sale."""

    rule: PolicyRule
    off_sale: tuple[Service, ...] = ()


async def add_rule(connection: Connection, new_rule: NewRule, *, take_off_sale: bool, by: By) -> AddedRule:
    """Adds a rule under a new version of the catalogue, with one audit row.

    Raises OperatorRefusal, with nothing written, for an invalid value, for a rule that exists already or exceeds the
    limit, and for services on sale that the rule prohibits unless ``take_off_sale`` is set.
    """
    check_text(new_rule.reason, MAX_REASON, FieldCode.REASON)
    value = read_value(new_rule.kind, new_rule.value)
    if value is None:
        raise OperatorRefusal(RefusalCode.BAD_RULE, kind=new_rule.kind, value=new_rule.value)
    new_rule = structs.replace(new_rule, value=value)
    async with connection.transaction():
        version = await catalogue.bump(connection)
        rules = await rows.list_rules(connection)
        if any((rule.kind, rule.value) == (new_rule.kind, value) for rule in rules):
            raise OperatorRefusal(RefusalCode.RULE_EXISTS, kind=new_rule.kind, value=value)
        if len(rules) >= MAX_RULES:
            raise OperatorRefusal(RefusalCode.TOO_MANY_RULES, most=MAX_RULES)
        (number,) = await rows.add(connection, [new_rule], version, str(by.actor), by.now)
        rule = PolicyRule(number, new_rule.kind, value, new_rule.reason)
        prohibited = await _take_off_sale(connection, rule, version, allowed=take_off_sale, by=by)
        why = By(by.actor, rule.reason, by.now)
        await audit.note(
            connection, why, AuditAction.POLICY_ADD, [AuditEntry(str(number), created(kind=rule.kind, value=value))]
        )
    return AddedRule(rule, tuple(prohibited))


async def _take_off_sale(
    connection: Connection, rule: PolicyRule, version: int, *, allowed: bool, by: By
) -> Sequence[Service]:
    if rule.kind is not RuleKind.PROHIBIT:
        return []
    services = (await catalogue.refresh(connection, None)).services
    prohibited = [one.service for one in check_sellable(services.values(), compile_policy(0, [rule]))]
    if prohibited and not allowed:
        raise _build_refusal(prohibited)
    if prohibited:
        off_sale = [structs.replace(one, on_sale=False) for one in prohibited]
        context = {"rule": rule.id}
        await write_services_in_transaction(
            connection, off_sale, services, version, AuditAction.SERVICE_PROHIBIT, by, context
        )
    return prohibited


def _build_refusal(prohibited: Sequence[Service]) -> OperatorRefusal:
    named = tuple({"service": one.id, "service_name": one.name} for one in prohibited[:NAMED])
    return OperatorRefusal(
        RefusalCode.STILL_SOLD, count=len(prohibited), services=named, more=max(0, len(prohibited) - NAMED) or None
    )


async def remove_rules(connection: Connection, numbers: Sequence[RuleId], *, by: By) -> list[PolicyRule]:
    """Removes rules, with one audit row each. Raises OperatorRefusal, with nothing written, if one does not exist."""
    check_text(by.reason, MAX_REASON, FieldCode.REASON)
    async with connection.transaction():
        version = await catalogue.bump(connection)
        rules = {rule.id: rule for rule in await rows.list_rules(connection)}
        missing = [number for number in numbers if number not in rules]
        if missing:
            raise OperatorRefusal(RefusalCode.NO_RULE, rules=missing)
        gone = [rules[number] for number in dict.fromkeys(numbers)]
        removals = [NewRule(rule.kind, rule.value, by.reason, removes=rule.id) for rule in gone]
        await rows.add(connection, removals, version, str(by.actor), by.now)
        entries = [AuditEntry(str(rule.id), {"kind": (rule.kind, None), "value": (rule.value, None)}) for rule in gone]
        await audit.note(connection, by, AuditAction.POLICY_REMOVE, entries)
    return gone


async def read_policy(connection: Connection) -> Policy:
    """Reads the current policy from the database."""
    return await rows.refresh(connection, NO_POLICY)
