"""Approving the costs of services in quarantine, at the old price or at a new one."""

from decimal import Decimal

import pytest
from tests.panel import DEFAULT, acting, now
from tests.upstream import again, line

from opensmm.actions import price_sync
from opensmm.base.ids import ServiceId


@pytest.mark.parametrize(
    ("told", "rate"), [({"rate": Decimal("2.5")}, "2.5"), ({"margin": Decimal(50)}, "1.8000"), ({}, "0.90")]
)
async def test_an_approval_may_take_a_new_price(stocked, upstream, told, rate):
    await again(upstream, line(), line(8))
    await again(upstream, line(rate="1.20"), line(8))
    (one,) = await price_sync.approve(stocked, [ServiceId(DEFAULT)], **told, by=acting(now(), "boss"))
    assert (Decimal(rate), True) == (one.rate, one.sold)
