"""Forgetting goes a piece at a time, the oldest first, until nothing old is left."""

from datetime import timedelta

from tests.panel import fetch, now

from opensmm.store import pruning


async def test_what_is_old_goes_a_piece_at_a_time_and_what_is_young_stays(conn, monkeypatch):
    monkeypatch.setattr(pruning, "PIECE", 2)
    await conn.execute(
        "insert into idempotency (customer_id, key, fingerprint, order_id, created) "
        "select 1, n::text, '', n, %s::timestamptz - make_interval(days => n) from generate_series(0, 5) n",
        [now()],
    )
    half_a_day = timedelta(hours=12)
    assert [True, True, False] == [await pruning.forget_idempotency(conn, None, half_a_day) for _ in range(3)]
    assert [("0",)] == await fetch(conn, "select key from idempotency")
    await conn.execute(
        "insert into batch (id, orders, created) values (gen_random_uuid(), '{1}', %s), (gen_random_uuid(), '{2}', %s)",
        [now() - timedelta(days=2), now()],
    )
    assert not await pruning.forget_batches(conn, None, half_a_day)
    assert [([2],)] == await fetch(conn, "select orders from batch")
