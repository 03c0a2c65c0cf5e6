"""What other panels answer: what is read in it, what becomes of the order, and what the operator reads of it."""

from collections.abc import Sequence

import pytest
from tests.corpus.corpus import FILES, Row, rows
from tests.corpus.playing import DONE, TAKEN, Play, open_play
from tests.corpus.reading import READ
from tests.corpus.variations import variations
from tests.panel import broken

LEAST_ROWS = 550


def compare(played: Sequence[Row], fates: Sequence[str], outcome: Sequence[str]) -> None:
    """All rows at once, so that one run shows everything that differs."""
    wrong = []
    for row, fate, text in zip(played, fates, outcome, strict=True):
        if fate != row.fate:
            wrong.append(f"{row}\n  {fate!r}, not {row.fate!r}")
        if row.operator not in text:
            wrong.append(f"{row}\n  {row.operator!r} is not in {text!r}")
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def test_the_corpus_is_no_smaller_than_it_was() -> None:
    assert sum(len(rows(file)) for file in FILES) >= LEAST_ROWS


@pytest.mark.parametrize("file", FILES)
def test_no_answer_stands_in_a_file_twice(file: str) -> None:
    pairs = [(row.status, row.body) for row in rows(file)]
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("file", FILES)
def test_answers_are_read_as_the_corpus_says(file: str) -> None:
    read = [(row, READ[file](row.body)) for row in rows(file) if row.status < 300]
    wrong = [f"{row}\n  {what}, not {row.reads}" for row, what in read if what != row.reads]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


async def test_an_add_goes_as_it_was_answered(conn, database) -> None:
    played = rows("add")
    async with open_play(conn, database.app_url, played) as play:
        play.answer("add", played)
        await play.place(played)
        compare(played, await play.fates(), await play.read_by_operator())
    assert [] == await broken(conn)


async def taken(play: Play, played: Sequence[Row]) -> None:
    play.fake.answers["add"] = TAKEN
    await play.place(played)


async def test_a_status_moves_what_it_was_about(conn, database) -> None:
    played = rows("status")
    async with open_play(conn, database.app_url, played) as play:
        await taken(play, played)
        play.answer("status", played)
        await play.follow()
        texts = await play.read_by_operator()
        compare(played, await play.fates(), texts)
        listed = await play.waiting_orders()
    silent = [row for row, order in zip(played, play.orders, strict=True) if (order in listed) != bool(row.operator)]
    assert [] == silent
    assert [] == await broken(conn)


async def completed(play: Play, played: Sequence[Row]) -> None:
    await taken(play, played)
    play.fake.answers["status"] = DONE
    await play.follow()
    for order in play.orders:
        assert "refill" in await play.api.ask("v2", play.who.key, "refill", order=order)


REFILLS = "select state from refill order by order_id"


async def test_a_refill_is_what_was_answered(conn, database) -> None:
    played = rows("refill")
    async with open_play(conn, database.app_url, played) as play:
        await completed(play, played)
        play.answer("refill", played)
        assert len(played) == await play.worker.refills.step(len(played))
        compare(played, await play.column(REFILLS), await play.read_by_operator())
    assert [] == await broken(conn)


async def test_a_refill_goes_as_its_provider_says(conn, database) -> None:
    played = rows("refill_status")
    async with open_play(conn, database.app_url, played) as play:
        await completed(play, played)
        play.fake.answers["refill"] = {"refill": 55}
        assert len(played) == await play.worker.refills.step(len(played))
        play.answer("refill_status", played)
        play.worker.clock.forward(2)
        assert len(played) == await play.worker.refills.step(len(played))
        compare(played, await play.column(REFILLS), await play.read_by_operator())
    assert [] == await broken(conn)


CANCELS = """
select case when cancel_passed is not null then 'passed' when cancel_asked is not null then 'to be passed on'
  else 'may be asked again' end from delivery order by order_id
"""


async def test_a_cancel_is_passed_on_until_it_is_answered(conn, database) -> None:
    played = rows("cancel")
    async with open_play(conn, database.app_url, played) as play:
        await taken(play, played)
        for order in play.orders:
            assert [{"order": order, "cancel": 1}] == await play.api.ask("v2", play.who.key, "cancel", orders=order)
        play.answer("cancel", played)
        await play.worker.poller.pass_on_cancels(len(played))
        compare(played, await play.column(CANCELS), await play.read_by_operator())
    assert [] == await broken(conn)


BALANCES = """
select coalesce(trim_scale(b.balance)::text, 'none') from provider p left join balance_reading b on b.provider_id = p.id
where p.kind = 'panel' order by p.id
"""


async def test_a_balance_is_kept_as_it_was_told(conn, database) -> None:
    played = rows("balance")
    async with open_play(conn, database.app_url, played) as play:
        play.answer("balance", played)
        play.answer("add", played)
        await play.place(played)
        await play.worker.balances.step()
        compare(played, await play.column(BALANCES), await play.read_by_operator())


LEAST_VARIATIONS = 4000


def test_variations_are_read_as_what_they_were_made_of() -> None:
    read = [
        (file, row, name, body, READ[file](body))
        for file in FILES
        for row in rows(file)
        if row.status < 300
        for name, body in variations(file, row)
    ]
    wrong = [
        f"{name} of {row}\n  {what}, not {row.reads}: {body!r}"
        for _, row, name, body, what in read
        if what != row.reads
    ]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
    assert len(read) >= LEAST_VARIATIONS
