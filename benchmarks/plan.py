"""What a load client is told and what it tells: the two values that cross the border between its process and ours."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.stall import Stall


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to do to which server. `script` is `module:factory`, called with `script_args` as keywords.

    Attributes:
        bursts: Let all sessions send at the same moment, `rate_hz` times a second, instead of in turn.
        held_before: So many of the connections are opened first, and have sent for `warmup_s`, before the server's
            memory is read for the first time: what the server needs once is then there.
        arrivals_hz: So many sessions arrive in a second, each of which sends from its welcome on; none: all are opened
            before anyone sends.
        settle_s: How long to wait after the last connection has closed.
    """

    port: int
    path: str
    connections: int
    seconds: float
    script: str
    script_args: dict[str, Any] = field(default_factory=dict)
    rate_hz: float | None = None
    bursts: bool = False
    warmup_s: float = 1.0
    held_before: int = 0
    arrivals_hz: float | None = None
    settle_s: float = 0.0
    server_pid: int | None = None
    host: str = "127.0.0.1"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What happened in the window after the warm-up.

    Attributes:
        replies: Answers received. `conflated` messages got none, because a later one was answered.
        cpu_us_per_reply: CPU time of the server's own process, ÷ replies; null without `server_pid` or replies.
        children_cpu_s: CPU time of the processes that the server started: embedded stores, where it has them.
        latency_p50_ms: From the moment a message was written to its answer; p99 and max likewise.
        late_p99_ms: How far the client was behind its own schedule: a run in which it nears the latency says nothing.
        rss_before_kib: The server's memory with `held_before` connections, and after the run with all still open.
        lost: Connections that ended before the client closed them.
        refused: Sessions that the server had no room for.
        counts: What the script counted in the answers.
        began: The monotonic clock's time at the window's beginning, in seconds.
        stalls: When the client was behind its own schedule; 500 at most.
        late_answers: When a message was written, and after how many seconds its answer came, if later than 10 ms; 500
            at most.
    """

    replies: int
    sent: int
    conflated: int
    lost: int
    seconds: float
    cpu_us_per_reply: float | None
    server_cpu_s: float
    children_cpu_s: float
    client_cpu_s: float
    latency_p50_ms: float
    latency_p99_ms: float
    latency_max_ms: float
    late_p99_ms: float
    rss_before_kib: int
    rss_after_kib: int
    refused: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    began: float = 0.0
    stalls: list[Stall] = field(default_factory=list)
    late_answers: list[tuple[float, float]] = field(default_factory=list)
