"""Alerts through the service and through a bare publish and listen in turn, under one load; figures and verdict out.

Both servers run on core 0 with uvloop and share one Redis; the load (500 sessions that send samples of the same size)
and the probe are on core 1. Ours: the client of a further session sends `stop`; the service decides, pauses, journals
(with fdatasync), numbers and sends the alert to a console of `/v1/watch`, which has it when the probe reads it. Bare
(`benchmarks.bare_alerts`): a socket's message is published with redis-py, redis-py's listener in the same process hears
it and sends it to the watching socket. The load echoes there, and is decoded, scored and answered here. Rounds
alternate; the median latency of a round counts.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.goals import Goal, Rivals, judge, plan_of
from benchmarks.plan import LoadPlan, LoadReport
from benchmarks.probe import ProbePlan, ProbeReport
from benchmarks.processes import pinned, server
from benchmarks.service import BASELINE_S, RunningService, service, token
from emdr_stream.embedded.folder import running_stores

G5_ALERTS = Goal("G5 alert latency", "x (ours ÷ bare publish to listen)", must=1.5, aim=1.2, more=False)
SESSIONS = 500
ALERTS = 60
_EVERY_S = 0.1
_SETTLING_S = 4.0
"""From the probe's start to the first alert, beyond the warm-up: in it the load's sessions connect."""
_AFTER_S = BASELINE_S + 1.5 + _SETTLING_S / 2


def alert_latency(rounds: int, rate_hz: float) -> bool:
    """G5, second half."""
    ratios = []
    # The probe's sessions send no samples; they are not to be paused for that.
    with service(lost_after_ms="60000") as ours:
        stores = running_stores(ours.data_dir)
        if stores is None:
            raise RuntimeError("the service's embedded stores are gone")
        with server("benchmarks.bare_alerts", "--redis", stores.redis_url) as bare:
            both = Rivals(bare, ours)
            print(
                f"\n{SESSIONS} sessions x {rate_hz:g} Hz beside {ALERTS} alerts, one each {_EVERY_S:g} s; latency in ms"
            )
            for number in range(1, rounds + 1):
                theirs = _round(both.echo, ProbePlan(bare.port, ALERTS, _EVERY_S, _AFTER_S), rate_hz)
                own = _round(both.service, _plan(ours, number), rate_hz)
                ratios.append(own.median_ms / theirs.median_ms)
                print(f"  round {number}: bare {theirs}   ours {own}   ours ÷ bare {ratios[-1]:.2f}")
    return judge(G5_ALERTS, statistics.median(ratios))


@dataclass(frozen=True, slots=True)
class _Round:
    """Latencies in ascending order, and the share of a core that the server took."""

    latencies_ms: list[float]
    busy: float

    @property
    def median_ms(self) -> float:
        return statistics.median(self.latencies_ms)

    def __str__(self) -> str:
        late_ms = self.latencies_ms[int(0.95 * len(self.latencies_ms))]
        return f"p50 {self.median_ms:.2f} p95 {late_ms:.2f} (busy {self.busy:.0%})"


def _round(load: Callable[[LoadPlan], LoadReport], plan: ProbePlan, rate_hz: float) -> _Round:
    """One load with a probe beside it."""
    seconds = _SETTLING_S + ALERTS * _EVERY_S
    with ThreadPoolExecutor(1) as beside:
        under_load = beside.submit(load, plan_of(SESSIONS, seconds, rate_hz))
        report = _probe(plan)
        loaded = under_load.result()
    if len(report.latencies_ms) < ALERTS:
        raise RuntimeError(f"only {len(report.latencies_ms)} of {ALERTS} alerts arrived")
    return _Round(sorted(report.latencies_ms), loaded.server_cpu_s / loaded.seconds)


def _probe(plan: ProbePlan) -> ProbeReport:
    told = subprocess.run(
        pinned(1, [sys.executable, "-m", "benchmarks.probe"]),
        input=msgspec.json.encode(plan),
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    if told.returncode != 0:
        raise RuntimeError(f"the probe ended with status {told.returncode}: see stderr")
    return msgspec.json.decode(told.stdout, type=ProbeReport)


def _plan(ours: RunningService, number: int) -> ProbePlan:
    users = f"probe{number}"
    clients = [f"{users}-{each}" for each in range(ALERTS)]
    console_token = token(ours.data_dir, "therapist", "--clients", *clients)
    return ProbePlan(ours.port, ALERTS, _EVERY_S, _AFTER_S, users, ours.token, console_token)
