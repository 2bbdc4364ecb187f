"""The service and the echo baseline under the same load in turn, in one run; figures, their ratio and the verdict out.

Every goal is held against Starlette's echo of the same build, on the same core, with messages of the same size. Rounds
alternate, so that a change of the machine's speed meets both; medians over the rounds count.
"""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.plan import LoadPlan, LoadReport
from benchmarks.processes import RunningServer, load, server
from benchmarks.ramp import LEAST_ANSWERED, P99_MS, climb
from benchmarks.scripts import SAMPLE_BYTES
from benchmarks.service import BASELINE_S, RunningService, service


@dataclass(frozen=True, slots=True)
class Goal:
    """`must` and `aim` in `unit`; with `more`, a larger figure is better, otherwise a smaller one."""

    name: str
    unit: str
    must: float
    aim: float
    more: bool

    def reaches(self, figure: float, bound: float) -> bool:
        return figure >= bound if self.more else figure <= bound


G1 = Goal("G1 CPU per message", "x (echo ÷ service)", must=0.5, aim=1.0, more=True)
G2 = Goal("G2 sessions a core", "x (service ÷ echo)", must=0.67, aim=1.5, more=True)
# The bound for a batch that lingers, as ours does on a busy worker; without a linger it would be 0.5 ms.
G3 = Goal("G3 added p99", "ms (service - echo)", must=5.0, aim=0.1, more=False)
G7 = Goal("G7 memory of a session", "KiB (service - echo)", must=100.0, aim=40.0, more=False)


_NOT_WHOLE = "   (a round left samples unanswered)"


class Rivals:
    """Both servers, running; each call puts the same load on one of them."""

    def __init__(self, baseline: RunningServer, ours: RunningService) -> None:
        self._baseline = baseline
        self._ours = ours
        self._users = 0

    def echo(self, plan: LoadPlan) -> LoadReport:
        return load(
            replace(
                plan,
                port=self._baseline.port,
                server_pid=self._baseline.pid,
                path="/echo",
                script="benchmarks.scripts:echo",
                script_args={"message_bytes": SAMPLE_BYTES},
            )
        )

    def service(self, plan: LoadPlan) -> LoadReport:
        """As `echo`, with samples, by users that were never there before."""
        self._users += 1
        return load(
            replace(
                plan,
                port=self._ours.port,
                server_pid=self._ours.pid,
                path="/v1/stream",
                script="benchmarks.scripts:stream",
                script_args={
                    "token": self._ours.token,
                    "rate_hz": plan.rate_hz or 10.0,
                    "users": f"bench{self._users}",
                },
                settle_s=0.5,
            )
        )


@contextmanager
def rivals(record: bool = False) -> Iterator[Rivals]:
    """Start both; the service with its own stores."""
    with server("benchmarks.echo") as baseline, service(record=record) as ours:
        yield Rivals(baseline, ours)


def cpu(rounds: int, seconds: float, rate_hz: float, connections: int = 50) -> bool:
    """G1: CPU of the server's process per message, an answer each; evenly spread, and in bursts."""
    figures = {}
    with rivals() as both:
        for bursts in (False, True):
            print(f"\n{_load(connections, rate_hz)}, {'all sessions at once' if bursts else 'evenly spread'}; CPU µs")
            plan = plan_of(connections, seconds, rate_hz, bursts=bursts)
            ratios, whole = [], True
            for number in range(1, rounds + 1):
                echo, ours = both.echo(replace(plan, warmup_s=1.0)), both.service(plan)
                whole &= _is_whole(ours)
                ratios.append(_cpu_us(echo) / _cpu_us(ours))
                print(
                    f"  round {number}: echo {_cpu_us(echo):6.1f}   service {_cpu_us(ours):6.1f}   echo ÷ service "
                    f"{ratios[-1]:.2f}   (stores, on the other core: {ours.children_cpu_s / ours.replies * 1e6:.1f})"
                    f"{_unanswered(ours)}"
                )
            figures[bursts] = (statistics.median(ratios), whole)
            print(f"  median : echo ÷ service {figures[bursts][0]:.2f}{'' if whole else _NOT_WHOLE}")
    return judge(G1, *figures[False])


def sessions(rounds: int, seconds: float, rate_hz: float) -> bool:
    """G2: how many sessions a core serves with a p99 below 10 ms and an answer each, service ÷ echo."""
    ratios = []
    with rivals() as both:
        for number in range(1, rounds + 1):
            print(f"\nround {number}: ever more sessions x {rate_hz:g} Hz, evenly spread, until p99 >= {P99_MS:g} ms")
            plan = plan_of(0, seconds, rate_hz)
            echo = climb("echo", partial(_loaded, both.echo, replace(plan, warmup_s=1.0)))
            ours = climb("service", partial(_loaded, both.service, plan))
            # Where the client could not bring the echo to its limit, the echo counts as what its core could bear.
            ratios.append(ours.sessions / echo.bound)
            print(f"  echo {echo}, service {ours}: service ÷ echo {ratios[-1]:.2f}")
    return judge(G2, statistics.median(ratios))


def _loaded(run: Callable[[LoadPlan], LoadReport], plan: LoadPlan, sessions: int) -> LoadReport:
    return run(replace(plan, connections=sessions))


def latency(rounds: int, seconds: float, rate_hz: float, connections: int = 500) -> bool:
    """G3: p99 from writing a sample to reading its answer, service less echo."""
    added, whole = [], True
    with rivals() as both:
        print(f"\n{_load(connections, rate_hz)}, evenly spread; latency in ms")
        plan = plan_of(connections, seconds, rate_hz)
        for number in range(1, rounds + 1):
            echo, ours = both.echo(replace(plan, warmup_s=1.0)), both.service(plan)
            whole &= _is_whole(ours)
            added.append(ours.latency_p99_ms - echo.latency_p99_ms)
            print(
                f"  round {number}: p50 echo {echo.latency_p50_ms:.3f} service {ours.latency_p50_ms:.3f}   "
                f"p99 echo {echo.latency_p99_ms:.3f} service {ours.latency_p99_ms:.3f}   added {added[-1]:+.3f}   "
                f"(client late p99: {echo.late_p99_ms:.1f}, {ours.late_p99_ms:.1f}; "
                f"busy {echo.server_cpu_s / echo.seconds:.0%}, {ours.server_cpu_s / ours.seconds:.0%})"
                f"{_unanswered(ours)}"
            )
    return judge(G3, statistics.median(added), whole)


def memory(rounds: int, connections: int = 500, held_before: int = 100) -> bool:
    """G7: resident memory that a further session costs, after some seconds of samples, less that of an echo."""
    grown = []
    for number in range(1, rounds + 1):
        # New processes each time: memory that was freed would serve the next round's sessions.
        with rivals() as both:
            if number == 1:
                print(f"\nfrom {held_before} to {connections} sessions, 2 samples a second; KiB a session")
            plan = replace(plan_of(connections, 1.0, 2.0), held_before=held_before, warmup_s=3.0)
            echo, ours = both.echo(plan), both.service(plan)
        each = [_kib(report, connections - held_before) for report in (echo, ours)]
        grown.append(each[1] - each[0])
        print(f"  round {number}: echo {each[0]:6.1f}   service {each[1]:6.1f}   more {grown[-1]:+.1f}")
    return judge(G7, statistics.median(grown))


def judge(goal: Goal, figure: float, whole: bool = True) -> bool:
    """Print the verdict; returns whether what must be reached is. A figure with a round that was not whole never is."""
    passed = whole and goal.reaches(figure, goal.must)
    word = "FAIL" if not passed else "PASS, aim reached" if goal.reaches(figure, goal.aim) else "PASS"
    bounds = f"must {goal.must:g}, aim {goal.aim:g}"
    print(f"{goal.name}: {figure:.2f} {goal.unit}   {bounds}   {word}{'' if whole else _NOT_WHOLE}")
    return passed


def plan_of(connections: int, seconds: float, rate_hz: float, bursts: bool = False) -> LoadPlan:
    """What both sides have in common; the service's warm-up lasts until its models are heard."""
    return LoadPlan(
        port=0,
        path="",
        connections=connections,
        seconds=seconds,
        script="",
        rate_hz=rate_hz,
        bursts=bursts,
        warmup_s=BASELINE_S + 1.5,
    )


def _load(connections: int, rate_hz: float) -> str:
    return f"{connections} sessions x {rate_hz:g} Hz of {SAMPLE_BYTES} bytes, an answer each"


def _cpu_us(report: LoadReport) -> float:
    if report.cpu_us_per_reply is None:
        raise RuntimeError("no message was answered: is the server's process number right?")
    return report.cpu_us_per_reply


def _kib(report: LoadReport, connections: int) -> float:
    return (report.rss_after_kib - report.rss_before_kib) / connections


def _unanswered(report: LoadReport) -> str:
    return "" if report.conflated == 0 else f"   unanswered: {report.conflated / report.sent:.1%}"


def _is_whole(report: LoadReport) -> bool:
    """Whether practically every sample was answered. Raises RuntimeError for answers without the models."""
    if report.counts.get("unscored"):
        raise RuntimeError(f"{report.counts['unscored']} results were not scored by the models: {report.counts}")
    return report.replies >= LEAST_ANSWERED * report.sent and not report.lost
