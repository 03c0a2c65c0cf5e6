"""``audit list``: who changed what, for people and for programs."""

DONE, MISUSED = 0, 2
WORDS = ("service", "add", "--name", "Likes [b]", "--category", "A", "--rate", "0.90", "--method", "paid_ads")


def test_the_trail_is_listed_newest_first(run_json, run, sandbox):
    assert DONE == run_json(*WORDS)[0]
    assert DONE == run_json("service", "edit", 1, "--rate", "1.10", "--min", 10)[0]
    code, answer = run_json("audit", "list", "--subject", 1, "--action", "service", "--limit", 1)
    (row,) = answer["rows"]
    assert (DONE, "service.save", "1", "command line") == (code, row["action"], row["subject"], row["actor_kind"])
    assert {"changes": {"rate": ["0.90", "1.10"], "min": [1, 10]}} == row["detail"]
    assert [row["id"] - 2] == [one["id"] for one in run_json("audit", "list", "--before", row["id"] - 1)[1]["rows"]][:1]
    shown = run("audit", "list", "--subject", 1)[1]
    assert "    min: 1 → 10\n    rate: 0.90 → 1.10\n" in shown
    assert "name: Likes [b]" in shown
    assert MISUSED == run_json("audit", "list", "--limit", 0)[0]


def test_rows_of_earlier_releases_are_shown_as_they_are(run_json, run, rows):
    run_json("customer", "list")
    rows(
        """insert into audit (at, actor, action, subject, detail)
           values (now(), 'ann (command line)', 'provider.sync', '3', '{"7": ["min 1 to 2"]}') returning 1"""
    )
    assert '{"7": ["min 1 to 2"]}' in run("audit", "list")[1]
    assert ["ann (command line)"] == [one["actor"] for one in run_json("audit", "list")[1]["rows"]]
