import pytest
from tests.upstream import open_upstream


@pytest.fixture
async def upstream(stocked, database, clock):
    async with open_upstream(stocked, database, clock) as opened:
        yield opened
