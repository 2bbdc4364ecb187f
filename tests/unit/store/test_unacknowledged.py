"""The store is asked again and again for what nobody has acknowledged, through outages too."""

import asyncio
import contextlib
from collections.abc import Mapping

import pytest
from prometheus_client.registry import CollectorRegistry

from emdr_stream.domain import Severity
from emdr_stream.errors import StoreUnavailable
from emdr_stream.store.unacknowledged import UnacknowledgedWatch
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.telemetry.waiting_alerts import Waiting
from tests.contract.waiting import until

pytestmark = pytest.mark.anyio
NOW_MS = 1_795_000_090_000
SHOWN = b'emdr_alerts_oldest_unacknowledged_seconds{severity="critical"} '


async def test_the_last_look_stands_while_the_store_is_away_and_the_next_one_counts() -> None:
    metrics = Metrics(CollectorRegistry(), version="test", wall_ms=lambda: NOW_MS + 60_000)
    answers: list[Mapping[str, Waiting] | None] = [{"s1.a1": Waiting(Severity.CRITICAL, NOW_MS - 90_000)}]
    asked = 0

    async def find() -> Mapping[str, Waiting]:
        nonlocal asked
        asked += 1
        if answers[-1] is None:
            raise StoreUnavailable("away")
        return answers[-1]

    watch = asyncio.get_running_loop().create_task(
        UnacknowledgedWatch(find, metrics.waiting, 0.005, lambda: NOW_MS).run()
    )
    await until(lambda: SHOWN + b"90.0" in metrics.render())
    answers.append(None)
    before = asked
    await until(lambda: asked > before + 2)
    assert SHOWN + b"90.0" in metrics.render()
    answers.append({})
    await until(lambda: SHOWN + b"0.0" in metrics.render())
    watch.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watch
