"""Webcam sessions on the whole service in; how many a core serves, where the time goes and what one costs out.

The service, its loop and its one face worker share core 0; cameras and stores are on core 1. Each camera sends JPEGs of
a real face, 640x480, on a schedule. A number of cameras is served when 97 % of the frames bring a result.
"""

import asyncio
import os
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import procfs
from benchmarks.face_pictures import pictures
from benchmarks.service import RunningService, service
from benchmarks.wire import ClientProtocol, handshake, masked_frame

LEAST_READ = 0.97
_LOAD = 0.7
_FACE_WORKER = b"emdr_stream.vision.worker"
_WARMUP_S = 3.0


def sessions_a_core(video: Path, seconds: float, rate_hz: float) -> bool:
    """Print how many cameras are served, and the times at 70 % of that; whether any is."""
    jpegs = pictures(video).jpegs
    size = statistics.mean(map(len, jpegs)) / 1024
    print(f"\ncameras x {rate_hz:g} Hz, JPEGs of 640x480 ({size:.0f} KiB), service and face worker on one core")
    with cameras() as running:
        served = 0
        for count in range(4, 41, 2):
            seen = uvloop.run(_run(running, jpegs, count, seconds, rate_hz))
            print(f"  {count:3d} cameras: {seen}")
            if seen.read_share < LEAST_READ:
                break
            served = count
        before = _face_kib(running)
        loaded = max(1, round(served * _LOAD))
        seen = uvloop.run(_run(running, jpegs, loaded, seconds * 2, rate_hz, hold=lambda: _face_kib(running)))
        each = (seen.held_kib - before) / loaded / 1024
        print(
            f"cameras a core at {rate_hz:g} Hz: {served}. At {loaded} ({_LOAD:.0%}): total_ms p50 {seen.p50:.1f}, "
            f"p99 {seen.p99:.1f}; event loop late p99 {seen.lag_p99_ms:.1f} ms; {each:.1f} MiB more a camera"
        )
    return served > 0


@contextmanager
def cameras() -> Iterator[RunningService]:
    """The service with one face worker, both on core 0."""
    # 30 frames a second of one camera are allowed; here the core is the limit, and nobody is to be slowed down by us.
    # Loop and face worker share a core here as they would in earnest: neither goes ahead of the other.
    with service(ahead=False, face_workers="1", log_level="ERROR") as running:
        deadline = time.monotonic() + 60
        while not (workers := _face_workers(running)) and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in workers:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {0})
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, {1})
        time.sleep(3.0)  # it loads its models
        yield running


@dataclass
class Seen:
    """What came back in the measured time. Times in milliseconds."""

    sent: int = 0
    read: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    total_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, list[float]] = field(default_factory=dict)
    lag_p99_ms: float = 0.0
    held_kib: int = 0

    @property
    def read_share(self) -> float:
        return self.read / self.sent if self.sent else 0.0

    @property
    def p50(self) -> float:
        return statistics.median(self.total_ms)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.total_ms, n=100)[98]

    def __str__(self) -> str:
        stages = ", ".join(f"{name} {statistics.mean(spent):.1f}" for name, spent in self.stages_ms.items())
        told = ", ".join(f"{reason} {count}" for reason, count in sorted(self.skipped.items())) or "none"
        return (
            f"read {self.read_share:6.1%}  total_ms p50 {self.p50:6.1f} p99 {self.p99:6.1f}  mean of {stages}"
            f"  loop late p99 {self.lag_p99_ms:.1f}  (not read: {told})"
        )


class _Camera:
    """One session that sends pictures whether or not answers come."""

    def __init__(self, running: RunningService, user: str, seen: Seen) -> None:
        self._running = running
        self._user = user
        self._seen = seen
        self._sent = 0
        self._protocol: ClientProtocol
        self._welcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.counts = False

    async def open(self) -> None:
        port = self._running.port
        request = handshake("127.0.0.1", port, "/v1/stream", "emdr.v1.msgpack", ())
        _, self._protocol = await asyncio.get_running_loop().create_connection(
            lambda: ClientProtocol(request, self._heard, lambda _protocol, _code: None), "127.0.0.1", port
        )
        await self._protocol.opened
        self._say({"type": "hello", "token": self._running.token, "source": "frame", "user": self._user})
        async with asyncio.timeout(10):
            await self._welcome

    def show(self, picture: bytes) -> None:
        self._say({"type": "frame", "id": self._sent, "ts": time.time() * 1e3, "image": picture})
        self._sent += 1
        self._seen.sent += self.counts

    def leave(self) -> None:
        self._say({"type": "bye"})

    def _say(self, message: dict[str, object]) -> None:
        self._protocol.write(masked_frame(msgspec.msgpack.encode(message)))

    def _heard(self, _protocol: ClientProtocol, payload: bytes) -> None:
        message = msgspec.msgpack.decode(payload)
        kind = message["type"]
        if kind == "welcome":
            self._welcome.set_result(None)
        elif kind == "error" and not self._welcome.done():
            self._welcome.set_exception(RuntimeError(message["message"]))
        elif self.counts and kind == "result":
            self._seen.read += 1
            timing = message["timing"]
            self._seen.total_ms.append(timing["total_ms"])
            for name in ("queue_ms", "decode_ms", "face_ms", "infer_ms"):
                self._seen.stages_ms.setdefault(name, []).append(timing[name])
        elif self.counts and kind in {"skipped", "error"}:
            reason = message.get("reason") or message["code"]
            self._seen.skipped[reason] = self._seen.skipped.get(reason, 0) + 1


async def _run(
    running: RunningService,
    jpegs: list[bytes],
    count: int,
    seconds: float,
    rate_hz: float,
    hold: Callable[[], int] | None = None,
) -> Seen:
    seen = Seen()
    users = f"cam{time.monotonic_ns()}"
    every = [_Camera(running, f"{users}-{number}", seen) for number in range(count)]
    for camera in every:
        await camera.open()
    began, sent = time.monotonic(), 0
    lag_before = await asyncio.to_thread(_lag, running)
    while (now := time.monotonic() - began) < _WARMUP_S + seconds:
        if now >= _WARMUP_S and not every[0].counts:
            lag_before = await asyncio.to_thread(_lag, running)
            for camera in every:
                camera.counts = True
        every[sent % count].show(jpegs[(sent // count + 5 * sent) % len(jpegs)])
        sent += 1
        await asyncio.sleep(max(0.0, began + sent / (rate_hz * count) - time.monotonic()))
    seen.lag_p99_ms = _p99_between(lag_before, await asyncio.to_thread(_lag, running))
    if hold is not None:
        seen.held_kib = hold()
    for camera in every:
        camera.counts = False
        camera.leave()
    await asyncio.sleep(0.5)
    return seen


def _face_workers(running: RunningService) -> list[int]:
    tree = procfs.process_tree(running.pid)
    return [pid for pid in tree if _FACE_WORKER in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _face_kib(running: RunningService) -> int:
    return sum(procfs.rss_kib(pid) for pid in _face_workers(running))


def _lag(running: RunningService) -> dict[float, float]:
    """Cumulative counts of the event loop's lag by upper bound in seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        float(sample.labels["le"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "emdr_event_loop_lag_seconds_bucket"
    }


def _p99_between(before: dict[float, float], after: dict[float, float]) -> float:
    """The bucket's upper bound, in milliseconds, below which 99 % lie."""
    grown = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    total = max(grown.values())
    return next(bound for bound, count in grown.items() if count >= 0.99 * total) * 1e3
