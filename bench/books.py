"""The books of a run, proved: a speed that was bought with them does not count."""

import asyncio
from collections.abc import Sequence

from bench.loading import Told
from bench.site import Failed, Site
from opensmm.store import invariants
from opensmm.store.connection import connect
from opensmm.texts.speech import ENGLISH


def prove(site: Site, database: str, told: Told = lambda _: None) -> None:
    """Recomputes the books of a database, as `opensmm verify` does; raises Failed where they do not hold."""

    async def broken() -> Sequence[str]:
        connection = await connect(site.urls(database).app, application="opensmm bench: verify")
        try:
            found = []
            async for finding in invariants.run(connection):
                told(1)
                if finding.count:
                    says = ENGLISH.invariant(finding.check.code)
                    found.append(f"{finding.check.name}: {says}: {', '.join(finding.examples)}")
            return found
        finally:
            await connection.close()

    if found := asyncio.run(broken()):
        raise Failed("the books do not hold: " + "; ".join(found))
