"""The checks of a range of orders find what those of the whole books find there, and read no more than the range."""

from collections import Counter

import pytest
from psycopg.types.json import Json
from tests.breaking import find_broken, without_constraints
from tests.store.test_invariants import BREAKS

from opensmm.domain.invariants import InvariantCode
from opensmm.store import invariants
from opensmm.store.invariants import ALL, INVARIANTS, OrderRange, select_checks
from opensmm.store.invariants.invariant import InvariantScope

PARTS = (OrderRange(last=3), OrderRange(4, 8), OrderRange(9))
RANGED = [check for check in INVARIANTS if check.scope is InvariantScope.ORDERS]
BIG = {
    "orders", "order_detail", "delivery", "attempt", "transfer", "post", "refill", "refill_task", "evidence",
    "active_link", "customer",
}  # fmt: skip


def test_most_checks_can_be_restricted():
    left_out = {check.name for check in INVARIANTS} - {check.name for check in select_checks(OrderRange(1, 9))}
    assert {"L1", "L2", "L3", "L4", "L5", "L6", "L8", "L9", "L10", "O2", "R2"} == left_out
    assert INVARIANTS == select_checks(ALL)


def test_each_invariant_has_a_name_and_a_code_of_its_own():
    assert len(INVARIANTS) == len({check.name for check in INVARIANTS})
    assert list(InvariantCode) == [check.code for check in INVARIANTS]


async def test_what_the_parts_find_is_what_the_whole_finds(honest, owner):
    await without_constraints(owner)
    for check in RANGED:
        for statement in BREAKS[check.name]:
            async with owner.transaction(force_rollback=True):
                await owner.execute(statement)
                whole = Counter(await find_broken(owner, check))
                parts = Counter[str]()
                for part in PARTS:
                    parts.update(await find_broken(owner, check, part))
                assert whole == parts, statement


def scans(plan):
    if plan.get("Relation Name") in BIG:
        yield plan
    for below in plan.get("Plans", ()):
        yield from scans(below)


@pytest.mark.parametrize("check", RANGED, ids=lambda check: check.name)
async def test_the_check_of_a_range_reads_no_table_that_grows_from_end_to_end(honest, check):
    # In small tables all is cheap: what is left without these is what a large one would be read by.
    for way in ("seqscan", "mergejoin", "hashjoin"):
        await honest.execute(f"set enable_{way} = off")
    ((plan,),) = await (
        await honest.execute(f"explain (format json) {check.broken}", {"first": 2, "last": 3})
    ).fetchall()
    read = list(scans(plan[0]["Plan"]))
    assert read, Json(plan)
    whole = [one for one in read if not one.keys() & {"Index Cond", "Recheck Cond"}]
    assert [] == [(one["Relation Name"], one["Node Type"], one.get("Filter")) for one in whole]


async def test_a_range_is_looked_at_by_its_own_checks(honest):
    names = [finding.check.name async for finding in invariants.run(honest, OrderRange(1, 3))]
    assert [check.name for check in RANGED] == names
