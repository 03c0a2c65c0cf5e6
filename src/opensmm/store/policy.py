"""The stored policy: rows of rules added and removed. Rows are never changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from opensmm.base.ids import RuleId
from opensmm.domain.policy import Policy, PolicyRule, RuleKind, compile_policy
from opensmm.store.connection import Connection
from opensmm.store.rows import rows

_VERSION: Final = "select coalesce(max(version), 0) from policy_rule"
_LIVE: Final = """
select id, kind, value, reason from policy_rule r
where removes is null and not exists (select from policy_rule later where later.removes = r.id) order by id
"""


async def list_rules(connection: Connection) -> list[PolicyRule]:
    """Returns the rules in force, oldest first."""
    return await rows(connection, PolicyRule, _LIVE)


async def refresh(connection: Connection, policy: Policy) -> Policy:
    """Returns ``policy`` if it is current; otherwise compiles the rules in force."""
    cursor = await connection.execute(_VERSION)
    row = await cursor.fetchone()
    assert row is not None
    # The version is read before the rules: a rule added in between is in force now, and is compiled again next time.
    return policy if policy.version == row[0] else compile_policy(row[0], await list_rules(connection))


class NewRule(Struct, frozen=True):
    """A rule to add, or, with ``removes``, the removal of that rule."""

    kind: RuleKind
    value: str
    reason: str = ""
    removes: RuleId | None = None


_ADD: Final = """
insert into policy_rule (version, removes, at, actor, kind, value, reason)
select %s, removes, %s, %s, kind, value, reason
from unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) with ordinality as a (removes, kind, value, reason, ord)
order by ord returning id
"""


async def add(
    connection: Connection, rules: Sequence[NewRule], version: int, actor: str, now: datetime
) -> list[RuleId]:
    """Appends rows of one version; returns their ids in the order given."""
    arrays = (
        [rule.removes for rule in rules],
        [rule.kind.value for rule in rules],
        [rule.value for rule in rules],
        [rule.reason for rule in rules],
    )
    cursor = await connection.execute(_ADD, [version, now, actor, *arrays])
    return [RuleId(row[0]) for row in await cursor.fetchall()]


class PolicyChange(Struct, frozen=True):
    """One line of the history: a rule that was added, or, if ``removes`` is set, removed."""

    id: RuleId
    version: int
    removes: RuleId | None
    at: datetime
    actor: str
    kind: RuleKind
    value: str
    reason: str


_HISTORY: Final = """
select id, version, removes, at, actor, kind, value, reason from policy_rule order by id desc limit %s
"""


async def list_changes(connection: Connection, limit: int) -> list[PolicyChange]:
    """Returns the newest changes of the policy, newest first."""
    return await rows(connection, PolicyChange, _HISTORY, [limit])
