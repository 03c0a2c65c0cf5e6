"""Rows of the audit trail in words: each field before and after, money as money, old rows as they were."""

import pytest

from opensmm.texts.speech import ENGLISH


@pytest.mark.parametrize(
    ("detail", "lines"),
    [
        ({"changes": {"rate": ["0.90", "1.00"], "min": [None, 10]}}, ["rate: 0.90 → 1.00", "min: 10"]),
        ({"changes": {"on_sale": [True, False]}, "rule": 7}, ["on sale: yes → no", "rule: 7"]),
        ({"changes": {"balance": [0, 1_234_500]}, "amount": 5}, ["balance: 0.00 → 12.345", "amount: 0.00005"]),
        ({"changes": {"runs.2.state": ["held", "queued"]}}, ["run 2 state: held → queued"]),
        ({"changes": {"routes": [["1:7"], []]}}, ["providers (each with its service): 1:7 → none"]),
        (
            {"changes": {"routes.1:7.off": ["gone", None]}, "reason": "x"},
            ["route 1:7 set aside: gone → none", "reason: x"],
        ),
        ({"changes": {"by_cost": [False, False], "min": [1, 2]}}, ["min: 1 → 2"]),
        ({"reason": "why", "order": 1}, ['{"reason": "why", "order": 1}']),
        ({}, []),
    ],
)
def test_a_row_is_told_field_by_field(detail, lines):
    assert lines == ENGLISH.audit_detail(detail)


def test_who_and_what_are_told_of_rows_of_any_age():
    assert "ann (command line)" == ENGLISH.actor("ann", "command line") == ENGLISH.actor("ann (command line)", None)
    assert "suspended customer 7" == ENGLISH.audit_action("customer.suspend", "7")
    assert "provider.sync 7" == ENGLISH.audit_action("provider.sync", "7")
