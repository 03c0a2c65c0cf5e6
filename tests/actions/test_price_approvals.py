"""Approving the costs of services in quarantine, at the old price or at a new one."""

from decimal import Decimal

import pytest
from tests.panel import DEFAULT, acting, fetch, now
from tests.upstream import again, line

from opensmm.actions import price_sync
from opensmm.base.ids import ServiceId
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode


@pytest.mark.parametrize(
    ("options", "rate"), [({"rate": Decimal("2.5")}, "2.5"), ({"margin": Decimal(50)}, "1.8000"), ({}, "0.90")]
)
async def test_an_approval_may_take_a_new_price(stocked, upstream, options, rate):
    await again(upstream, line(), line(8))
    await again(upstream, line(rate="1.20"), line(8))
    (service,) = await price_sync.approve(stocked, [ServiceId(DEFAULT)], **options, by=acting(now(), "boss"))
    assert (Decimal(rate), True) == (service.rate, service.sold)


@pytest.mark.parametrize("rate", ["0", "-1", "1000000000"])
async def test_an_approval_at_a_rate_that_no_price_list_may_have_is_refused_and_nothing_changes(
    stocked, upstream, rate
):
    await again(upstream, line(), line(8))
    await again(upstream, line(rate="1.20"), line(8))
    state_of_all = "select array_agg(s::text order by id), (select count(*) from audit) from service s"
    before = await fetch(stocked, state_of_all)
    with pytest.raises(OperatorRefusal) as refused:
        await price_sync.approve(stocked, [ServiceId(DEFAULT)], rate=Decimal(rate), by=acting(now(), "boss"))
    assert RefusalCode.BAD_RATE is refused.value.code
    assert before == await fetch(stocked, state_of_all)
