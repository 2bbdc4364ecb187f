"""More sessions than a core can serve in, what becomes of them out: with a limit on the worker's load, and without.

A worker that takes everybody answers late, then not within the deadline, and then each of its sessions pauses: a false
alarm in every one of them at once. `emdr_alerts_total` tells of how many; a session may have more than one.
"""

import re
from dataclasses import replace
from urllib.request import urlopen

from benchmarks.goals import plan_of
from benchmarks.plan import LoadReport
from benchmarks.processes import load
from benchmarks.service import RunningService, service
from emdr_stream.settings import ServerSettings

_FEW = 400
_ARRIVALS_HZ = 100.0
_TECHNICAL = re.compile(r'^emdr_alerts_total\{kind="(?:degraded|signal_lost)",[^}]*\} (\S+)$', re.MULTILINE)


def report(sessions: int, rounds: int, seconds: float, rate_hz: float) -> bool:
    """Offer so many sessions to a worker without a limit and to one with the default; whether none paused there."""
    print(f"CPU µs a sample of {_FEW} sessions: {_cost(True):.0f} with a baseline, {_cost(False):.0f} without")
    whole, default = True, ServerSettings().max_load
    for number in range(1, rounds + 1):
        print(f"\nround {number}: {sessions} sessions x {rate_hz:g} Hz, {_ARRIVALS_HZ:g} more each second, each once")
        for limit in (0.0, default):
            # Each on a new service: who was paused once would count twice.
            with service(max_load=str(limit), max_sessions=str(2 * sessions)) as ours:
                told, alarms = _offered(ours, sessions, seconds, rate_hz)
            print(f"  {f'limit {limit:g}' if limit else 'no limit':>9}: {_line(sessions, told, alarms)}")
            whole &= not limit or (alarms == 0 and told.refused < sessions and not told.lost)
    return whole


def _cost(grown: bool) -> float:
    with service() if grown else service(baseline_s="600") as ours:
        told, _ = _offered(ours, _FEW, 5.0, 10.0)
    return told.server_cpu_s / told.sent * 1e6


def _offered(ours: RunningService, sessions: int, seconds: float, rate_hz: float) -> tuple[LoadReport, int]:
    told = load(
        replace(
            plan_of(sessions, seconds, rate_hz),
            arrivals_hz=_ARRIVALS_HZ,
            port=ours.port,
            server_pid=ours.pid,
            path="/v1/stream",
            script="benchmarks.scripts:stream",
            script_args={"token": ours.token, "rate_hz": rate_hz},
        )
    )
    with urlopen(f"http://127.0.0.1:{ours.port}/metrics", timeout=60.0) as answer:
        found = _TECHNICAL.findall(answer.read().decode())
    if not found:
        raise RuntimeError("/metrics has no emdr_alerts_total of these kinds: what paused cannot be counted")
    return told, int(sum(map(float, found)))


def _line(sessions: int, told: LoadReport, alarms: int) -> str:
    admitted = sessions - told.refused
    return (
        f"{admitted:5d} admitted, {told.refused} refused, {told.lost} lost; "
        f"busy {told.server_cpu_s / told.seconds:4.0%}, "
        f"p50 {told.latency_p50_ms:.1f} ms, p99 {told.latency_p99_ms:.1f} ms, "
        f"answered {told.replies / max(1, told.sent):.0%}; alerts of late models or lost sight: {alarms}"
    )
