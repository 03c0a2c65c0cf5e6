"""The policy as kept: rows of rules added and removed, none of them ever changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from opensmm.base.ids import RuleId
from opensmm.domain.policy import Policy, PolicyRule, RuleKind, compiled
from opensmm.store.connection import Connection

_VERSION: Final = "select coalesce(max(version), 0) from policy_rule"
_LIVE: Final = """
select id, kind, value, reason from policy_rule r
where removes is null and not exists (select from policy_rule later where later.removes = r.id) order by id
"""


async def live(connection: Connection) -> list[PolicyRule]:
    """The rules that hold now, oldest first."""
    cursor = await connection.execute(_LIVE)
    return [PolicyRule(RuleId(row[0]), RuleKind(row[1]), row[2], row[3]) for row in await cursor.fetchall()]


async def refresh(connection: Connection, known: Policy) -> Policy:
    """The policy as it is now, compiled anew only where a rule came or went since ``known``."""
    cursor = await connection.execute(_VERSION)
    row = await cursor.fetchone()
    assert row is not None
    # The version was read first: a rule kept meanwhile holds from now on, and is read once more.
    return known if known.version == row[0] else compiled(row[0], await live(connection))


class NewRule(Struct, frozen=True):
    """A rule to be kept; with ``removes`` it takes that one away."""

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
    connection: Connection, wanted: Sequence[NewRule], version: int, actor: str, now: datetime
) -> list[RuleId]:
    """Appends rows; ids in the order given."""
    arrays = (
        [one.removes for one in wanted],
        [one.kind.value for one in wanted],
        [one.value for one in wanted],
        [one.reason for one in wanted],
    )
    cursor = await connection.execute(_ADD, [version, now, actor, *arrays])
    return [RuleId(row[0]) for row in await cursor.fetchall()]


class PolicyChange(Struct, frozen=True):
    """One line of the history: a rule that came, or, where ``removes`` is set, went."""

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


async def history(connection: Connection, limit: int) -> list[PolicyChange]:
    """What was decided, newest first."""
    cursor = await connection.execute(_HISTORY, [limit])
    return [PolicyChange(*(*row[:5], RuleKind(row[5]), *row[6:])) for row in await cursor.fetchall()]
