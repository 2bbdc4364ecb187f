"""The load client: a plan comes in as JSON on stdin, a server is put under load, a report goes out as JSON on stdout.

Open loop (`rate_hz` given): N sessions send on a schedule, whether or not answers came: evenly spread, or in `bursts`,
all at once. Closed loop (`rate_hz` null): each session sends when its answer came. `rate_hz` 0 only holds the sessions
open. Run it as its own process (`benchmarks.processes.load`), on another core than the server's.
"""

import asyncio
import contextlib
import gc
import importlib
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import uvloop

from benchmarks import procfs
from benchmarks.plan import LoadPlan, LoadReport
from benchmarks.scripts import IN_ORDER, Script
from benchmarks.stall import LIMIT_S, MOST, Stall, waited_s
from benchmarks.ticks import Ticks
from benchmarks.wire import ClientProtocol, handshake, masked_frame

_CONNECT_AT_ONCE = 50
_WAVE_S = 0.25
"""Between two groups of sessions that arrive, where a plan says how many do so in a second."""
_WELCOME_TIMEOUT_S = 30.0
_FAREWELL_TIMEOUT_S = 5.0
_LATE_S = 0.01


@dataclass(slots=True)
class _Window:
    """Counts since the warm-up ended; times in seconds."""

    replies: int = 0
    sent: int = 0
    conflated: int = 0
    lost: int = 0
    latencies: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    stalls: list[Stall] = field(default_factory=list)
    late_answers: list[tuple[float, float]] = field(default_factory=list)


class _Session:
    """One connection that speaks the script and times the answers."""

    def __init__(self, number: int, script: Script, window: _Window, closed_loop: bool) -> None:
        self._number = number
        self.script = script
        self._window = window
        self._closed_loop = closed_loop
        self._sent_count = 0
        self._waiting: deque[tuple[int, float]] = deque()
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.leaving = False
        self.refused = False
        self.protocol: ClientProtocol

    def begin(self) -> None:
        hello = self.script.hello(self._number)
        if hello is None:
            self.welcomed.set_result(None)
        else:
            self.protocol.write(masked_frame(hello))

    def send(self) -> None:
        if self.refused or not self.welcomed.done():
            return
        if self.gone.done():  # what is lost with its connection was to be sent, and is not answered
            self._window.sent += 1
            return
        frame = masked_frame(self.script.message(self._number, self._sent_count))
        self._waiting.append((self._sent_count, time.perf_counter()))
        self._sent_count += 1
        self._window.sent += 1
        self.protocol.write(frame)

    def message(self, _: ClientProtocol, payload: bytes) -> None:
        if not self.welcomed.done():
            welcome = self.script.is_welcome(payload)
            if welcome is None:
                self.refused = self.leaving = True
            if welcome is not False:
                self.welcomed.set_result(None)
            return
        number = self.script.answer_to(payload)
        if number is None or not self._waiting:
            return
        self._answered(self._waiting[0][0] if number == IN_ORDER else number)
        if self._closed_loop and not self.leaving:
            self.send()

    def _answered(self, number: int) -> None:
        window = self._window
        while self._waiting and self._waiting[0][0] <= number:
            waiting_number, sent_at = self._waiting.popleft()
            if waiting_number == number:
                window.replies += 1
                took = time.perf_counter() - sent_at
                window.latencies.append(took)
                if took > _LATE_S and len(window.late_answers) < MOST:
                    window.late_answers.append((sent_at, took))
            else:
                window.conflated += 1

    def closed(self, _: ClientProtocol, code: int) -> None:
        if not self.welcomed.done():
            self.welcomed.set_exception(ConnectionError(f"closed with {code} before the welcome"))
        self._window.lost += not self.leaving
        if not self.gone.done():
            self.gone.set_result(None)


async def run(plan: LoadPlan) -> LoadReport:
    """Connect, say hello, warm up, measure, leave.

    Raises:
        ConnectionError: If a handshake is refused, or a connection ends before its welcome.
        TimeoutError: If a welcome does not come within 30 s.
    """
    window = _Window()
    module, _, factory = plan.script.partition(":")
    script: Script = getattr(importlib.import_module(module), factory)(**plan.script_args)
    sessions = [
        _Session(number, script, window, closed_loop=plan.rate_hz is None) for number in range(plan.connections)
    ]
    rss_before_kib = await _hold(plan, sessions[: plan.held_before], window)
    if plan.arrivals_hz is None:
        await _connect(plan, script, sessions[plan.held_before :])
        stop = _start_sending(plan, sessions, window)
    else:
        stop = _start_sending(plan, sessions, window)
        await _connect(plan, script, sessions)
    spent = _Spent(plan.server_pid)
    await asyncio.sleep(plan.warmup_s)
    _reset(window, script)
    began = spent.begin()
    await asyncio.sleep(plan.seconds)
    server_cpu_s, children_cpu_s, client_cpu_s = spent.since()
    report = _report(
        window,
        script,
        began=began,
        seconds=time.perf_counter() - began,
        cpu_s=(server_cpu_s, children_cpu_s, client_cpu_s),
        rss_kib=(rss_before_kib, _memory(plan)),
        refused=sum(session.refused for session in sessions),
    )
    stop()
    await _leave(sessions, script)
    await asyncio.sleep(plan.settle_s)
    return report


class _Spent:
    """CPU time from `begin` on: of the server, of its children, of this client."""

    def __init__(self, server_pid: int | None) -> None:
        self._pid = server_pid
        # Looked for ahead of time: that takes milliseconds, in which the client would send nothing.
        self._tree = [] if server_pid is None else procfs.process_tree(server_pid)

    def begin(self) -> float:
        """The clock's time from which everything counts."""
        self._before = procfs.cpu_s(self._tree)
        self._client_s = time.process_time()
        return time.perf_counter()

    def since(self) -> tuple[float, float, float]:
        now = self._now()
        own = {pid: cpu for pid, cpu in now.items() if pid == self._pid}
        children = {pid: cpu for pid, cpu in now.items() if pid != self._pid}
        return (
            procfs.spent_since(self._before, own),
            procfs.spent_since(self._before, children),
            time.process_time() - self._client_s,
        )

    def _now(self) -> dict[int, float]:
        return {} if self._pid is None else procfs.cpu_s(procfs.process_tree(self._pid))


def _memory(plan: LoadPlan) -> int:
    return 0 if plan.server_pid is None else procfs.rss_kib(plan.server_pid)


async def _hold(plan: LoadPlan, sessions: list[_Session], window: _Window) -> int:
    """Open the first connections and let them send for a while; returns the server's memory then."""
    if sessions:
        await _connect(plan, sessions[0].script, sessions)
        stop = _start_sending(plan, sessions, window)
        await asyncio.sleep(plan.warmup_s)
        stop()
    return _memory(plan)


async def _leave(sessions: list[_Session], script: Script) -> None:
    """Say goodbye where the script knows how, then close; whoever is not let go in time is left."""
    farewell = script.farewell()
    for session in sessions:
        session.leaving = True
        if farewell is not None and not session.gone.done():
            session.protocol.write(masked_frame(farewell))
    if farewell is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_TIMEOUT_S):
                for session in sessions:
                    await session.gone
    for session in sessions:
        session.protocol.close()


async def _connect(plan: LoadPlan, script: Script, sessions: list[_Session]) -> None:
    loop = asyncio.get_running_loop()
    request = handshake(plan.host, plan.port, plan.path, script.subprotocol, plan.headers)

    async def open_one(session: _Session) -> None:
        _, session.protocol = await loop.create_connection(
            lambda: ClientProtocol(request, session.message, session.closed), plan.host, plan.port
        )
        await session.protocol.opened
        session.begin()
        await session.welcomed

    at_once = _CONNECT_AT_ONCE if plan.arrivals_hz is None else round(plan.arrivals_hz * _WAVE_S)
    pause_s = 0.0 if plan.arrivals_hz is None else _WAVE_S
    async with asyncio.timeout(_WELCOME_TIMEOUT_S + pause_s * len(sessions) / at_once):
        for first in range(0, len(sessions), at_once):
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(pause_s))
                for session in sessions[first : first + at_once]:
                    group.create_task(open_one(session))


def _start_sending(plan: LoadPlan, sessions: list[_Session], window: _Window) -> Callable[[], None]:
    """Start the load; returns what stops it."""
    if plan.rate_hz is None:
        for session in sessions:
            session.send()
    elif plan.rate_hz > 0:
        return _Schedule(sessions, plan.rate_hz, plan.bursts, window).stop
    return lambda: None


class _Schedule:
    """Lets the sessions send in turn, evenly spread, or all at once; what the client missed it sends at once."""

    def __init__(self, sessions: list[_Session], rate_hz: float, bursts: bool, window: _Window) -> None:
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._sessions = sessions
        self._window = window
        self._at_once = len(sessions) if bursts else 1
        self._interval_s = self._at_once / (rate_hz * len(sessions))
        self._began = self._clock()
        self._count = 0
        self._cpu, self._waited = time.thread_time(), waited_s()
        self._ticks = Ticks(loop, self._interval_s, self._send_due)
        self.stop = self._ticks.stop

    def _send_due(self) -> None:
        now = self._clock()
        self._notice(now)
        while (due := self._began + self._count * self._interval_s) <= now:
            for number in range(self._at_once):
                self._sessions[(self._count * self._at_once + number) % len(self._sessions)].send()
            self._window.lateness.append(now - due)
            self._count += 1

    def _notice(self, now: float) -> None:
        """Note when this client came too late by itself, and what it did meanwhile."""
        due = self._began + self._count * self._interval_s
        if now - due > LIMIT_S and len(self._window.stalls) < MOST:
            self._window.stalls.append(
                Stall("client late", due, now - due, time.thread_time() - self._cpu, waited_s() - self._waited)
            )
            self._waited = waited_s()
        self._cpu = time.thread_time()


def _reset(window: _Window, script: Script) -> None:
    script.counts.clear()
    window.stalls.clear()
    window.replies = window.sent = window.conflated = 0
    window.latencies.clear()
    window.lateness.clear()
    window.late_answers.clear()


def _report(
    window: _Window,
    script: Script,
    *,
    began: float,
    seconds: float,
    cpu_s: tuple[float, float, float],
    rss_kib: tuple[int, int],
    refused: int,
) -> LoadReport:
    server_cpu_s, children_cpu_s, client_cpu_s = cpu_s
    latencies_s = sorted(window.latencies)
    return LoadReport(
        replies=window.replies,
        sent=window.sent,
        conflated=window.conflated,
        lost=window.lost,
        refused=refused,
        seconds=seconds,
        cpu_us_per_reply=server_cpu_s / window.replies * 1e6 if server_cpu_s and window.replies else None,
        server_cpu_s=server_cpu_s,
        children_cpu_s=children_cpu_s,
        client_cpu_s=client_cpu_s,
        latency_p50_ms=_quantile_ms(latencies_s, 0.5),
        latency_p99_ms=_quantile_ms(latencies_s, 0.99),
        latency_max_ms=_quantile_ms(latencies_s, 1.0),
        late_p99_ms=_quantile_ms(sorted(window.lateness), 0.99),
        rss_before_kib=rss_kib[0],
        rss_after_kib=rss_kib[1],
        counts=dict(script.counts),
        began=began,
        stalls=window.stalls,
        late_answers=window.late_answers,
    )


def _quantile_ms(ordered_s: list[float], share: float) -> float:
    return ordered_s[min(int(share * len(ordered_s)), len(ordered_s) - 1)] * 1e3 if ordered_s else 0.0


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadPlan)
    gc.disable()  # a look at some thousands of sessions would be a pause of the client, and nothing here needs it
    report = uvloop.run(run(plan))
    sys.stdout.buffer.write(msgspec.json.encode(report))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
