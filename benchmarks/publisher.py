"""A publisher of live states as a process: which way, how many and for how long in; CPU µs a state out, on stdout.

    python -m benchmarks.publisher ours|awaited REDIS_URL SESSIONS RATE_HZ SECONDS

Either way every session has a state of the same bytes `RATE_HZ` times a second, evenly spread, on uvloop. Nobody
listens. `ours` gives it to the service's own `RedisBroker.publish`, whose task gathers, packs and sends behind it;
`awaited` awaits redis-py's `publish`, one after the other. All CPU of the process between the first and the last state
counts, the schedule's too.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import uvloop
from redis.asyncio import Redis

from benchmarks.scripts import state
from emdr_stream.broker.base import Notice
from emdr_stream.broker.redis import RedisBroker

Publish = Callable[[str, str, bytes], Awaitable[object] | None]
_TICK_S = 0.005
_WARMUP_S = 1.0


@contextlib.asynccontextmanager
async def _ours(url: str) -> AsyncIterator[Publish]:
    broker = RedisBroker(url, instance="benchmark")
    await broker.start()
    try:
        yield lambda session, user, payload: broker.publish(Notice(session, user, payload, "state"))
    finally:
        await broker.aclose()
        if broker.dropped:
            raise RuntimeError(f"{broker.dropped} states were dropped: the rate is too high for this machine")


@contextlib.asynccontextmanager
async def _awaited(url: str) -> AsyncIterator[Publish]:
    redis = Redis.from_url(url)
    try:
        yield lambda _, user, payload: redis.publish(f"emdr:live:{user}", payload)
    finally:
        await redis.aclose()


async def cpu_us_per_state(way: str, url: str, sessions: int, rate_hz: float, seconds: float) -> float:
    names = [(f"session-{number:04d}", f"user-{number:04d}") for number in range(sessions)]
    payload = state()
    async with (_ours if way == "ours" else _awaited)(url) as publish:
        await _publish_for(publish, names, payload, rate_hz, _WARMUP_S)
        spent_s = time.process_time()
        count = await _publish_for(publish, names, payload, rate_hz, seconds)
        return (time.process_time() - spent_s) / count * 1e6


async def _publish_for(
    publish: Publish, names: list[tuple[str, str]], payload: bytes, rate_hz: float, seconds: float
) -> int:
    """Publish on the schedule, catching up with what was missed; gives the number of states."""
    per_s = rate_hz * len(names)
    began = time.perf_counter()
    count = 0
    while (passed := time.perf_counter() - began) < seconds:
        while count < passed * per_s:
            sent = publish(*names[count % len(names)], payload)
            if sent is not None:
                await sent
            count += 1
        await asyncio.sleep(_TICK_S)
    await asyncio.sleep(_TICK_S * 4)  # what was gathered last leaves too
    return count


if __name__ == "__main__":
    way, url, *numbers = sys.argv[1:]
    sessions, rate_hz, seconds = map(float, numbers)
    print(uvloop.run(cpu_us_per_state(way, url, int(sessions), rate_hz, seconds)))
