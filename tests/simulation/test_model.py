"""The model stands for the store's functions, one by one: the same names, the same arguments."""

import inspect

import pytest
from tests.simulation.bridge import STANDS_FOR
from tests.simulation.model import connection, customers, placing

from opensmm.actions import commit_recovery
from opensmm.store import connection as db
from opensmm.store import pruning

BESIDE = (
    (placing.commit_recovery, commit_recovery, ("recover",)),
    (customers, pruning, ("forget_idempotency", "forget_batches")),
    (connection, db, ("is_connection_error", "commit", "rollback")),
)
NAMES = [(model, real, name) for model, real, names in (*STANDS_FOR, *BESIDE) for name in names]


@pytest.mark.parametrize(("model", "real", "name"), NAMES, ids=[f"{real.__name__}.{name}" for _, real, name in NAMES])
def test_the_model_takes_what_the_store_takes(model, real, name):
    taken = [list(inspect.signature(getattr(module, name)).parameters) for module in (real, model)]
    assert taken[0] == taken[1]
