"""The operator's edits of the policy: what may not be sold, and where nothing is delivered."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs

from opensmm.actions.catalogue import write_services
from opensmm.base.faults import Fault
from opensmm.base.ids import RuleId
from opensmm.domain import sale
from opensmm.domain.audit import AuditAction, AuditEntry, By, created
from opensmm.domain.catalogue import Service
from opensmm.domain.policy import MAX_REASON, MAX_RULES, NO_POLICY, Policy, Rule, RuleKind, compiled, read_value
from opensmm.store import audit, catalogue
from opensmm.store import policy as rows
from opensmm.store.connection import Connection
from opensmm.store.policy import Wanted

NAMED: Final = 5
"""Services that a refusal names one by one."""


class Unfit(Fault):
    """The value is none that a rule of its kind can have."""


class Taken(Fault):
    """Such a rule holds already, or there are too many."""


class Unknown(Fault):
    """There is no such rule, or it holds no longer."""


class StillSold(Fault):
    """Services on sale would be prohibited, and were not to be taken off sale."""


class Added(Struct, frozen=True):
    """A rule that holds from now on, and the services it took off sale."""

    rule: Rule
    off_sale: tuple[Service, ...] = ()


async def add_rule(connection: Connection, wanted: Wanted, *, take_off_sale: bool, by: By) -> Added:
    """A new rule under a new version of the catalogue, with one audit row.

    Raises Unfit, Taken or StillSold, with nothing written.
    """
    value = read_value(wanted.kind, wanted.value)
    if value is None or len(wanted.reason) > MAX_REASON:
        raise Unfit(f"{wanted.value!r} is nothing that `{wanted.kind}` can be told")
    wanted = structs.replace(wanted, value=value)
    async with connection.transaction():
        version = await catalogue.bump(connection)
        held = await rows.live(connection)
        if any((rule.kind, rule.value) == (wanted.kind, value) for rule in held):
            raise Taken(f"`{wanted.kind} {value}` holds already")
        if len(held) >= MAX_RULES:
            raise Taken(f"there are {MAX_RULES} rules already")
        (number,) = await rows.add(connection, [wanted], version, str(by.actor), by.now)
        rule = Rule(number, wanted.kind, value, wanted.reason)
        met = await _take_off_sale(connection, rule, allowed=take_off_sale, by=by)
        why = By(by.actor, rule.reason, by.now)
        await audit.note(
            connection, why, AuditAction.POLICY_ADD, [AuditEntry(str(number), created(kind=rule.kind, value=value))]
        )
    return Added(rule, tuple(met))


async def _take_off_sale(connection: Connection, rule: Rule, *, allowed: bool, by: By) -> Sequence[Service]:
    if rule.kind is not RuleKind.PROHIBIT:
        return []
    known = await catalogue.refresh(connection, None)
    met = [one.service for one in sale.check(known.services.values(), compiled(0, [rule]))]
    if met and not allowed:
        named = ", ".join(f"{one.id} {one.name!r}" for one in met[:NAMED])
        raise StillSold(f"{len(met)} services on sale meet it: {named}{'…' if len(met) > NAMED else ''}")
    if met:
        off_sale = [structs.replace(one, on_sale=False) for one in met]
        await write_services(connection, off_sale, AuditAction.SERVICE_PROHIBIT, by, {"rule": rule.id})
    return met


async def remove_rules(connection: Connection, numbers: Sequence[RuleId], *, by: By) -> list[Rule]:
    """Takes rules away, with one audit row each; raises Unknown, with nothing written, where one does not hold."""
    async with connection.transaction():
        version = await catalogue.bump(connection)
        held = {rule.id: rule for rule in await rows.live(connection)}
        missing = [number for number in numbers if number not in held]
        if missing:
            raise Unknown(f"no rule {', '.join(map(str, missing))} holds")
        gone = [held[number] for number in dict.fromkeys(numbers)]
        removals = [Wanted(rule.kind, rule.value, by.reason, removes=rule.id) for rule in gone]
        await rows.add(connection, removals, version, str(by.actor), by.now)
        entries = [AuditEntry(str(rule.id), {"kind": (rule.kind, None), "value": (rule.value, None)}) for rule in gone]
        await audit.note(connection, by, AuditAction.POLICY_REMOVE, entries)
    return gone


async def current(connection: Connection) -> Policy:
    """The policy as it stands in the database at this moment."""
    return await rows.refresh(connection, NO_POLICY)
