"""A server under more and more sessions in, the largest number that it serves in time out: the ramps of goal G2."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.plan import LoadReport

P99_MS = 10.0
LEAST_ANSWERED = 0.99
_FIRST = 400
_GROWTH = 1.5
_FINE = 0.06
"""How far the largest number that was served may lie below the smallest that was not, as a share of it."""
_CLIENT_LATE_MS = 2.0
"""A client so far behind its own schedule adds as much to what it measures."""
_CLIENT_BUSY = 0.9
_TRIES = 3
"""The machine may be shared: a number counts as too large when it was not served three times in a row."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a number of sessions came to."""

    sessions: int
    report: LoadReport

    @property
    def served(self) -> bool:
        """Whether p99 was short, practically everything answered, and nothing of it without the models."""
        report = self.report
        return (
            report.latency_p99_ms < P99_MS
            and report.replies >= LEAST_ANSWERED * report.sent
            and not report.lost
            and not report.counts.get("unscored")
        )

    @property
    def busy(self) -> float:
        """Share of its core that the server used."""
        return self.report.server_cpu_s / self.report.seconds

    @property
    def client_was_the_limit(self) -> bool:
        report = self.report
        return report.late_p99_ms > _CLIENT_LATE_MS or report.client_cpu_s > _CLIENT_BUSY * report.seconds

    def __str__(self) -> str:
        report = self.report
        answered = report.replies / report.sent if report.sent else 0.0
        return (
            f"{self.sessions:5d} sessions: p50 {report.latency_p50_ms:7.2f}  p99 {report.latency_p99_ms:7.2f} ms  "
            f"answered {min(1.0, answered):6.1%}  busy {self.busy:4.0%}  "
            f"(client: late p99 {report.late_p99_ms:.1f} ms, busy {report.client_cpu_s / report.seconds:.0%})  "
            f"{'served' if self.served else 'too many'}{', the client is slow' if self.client_was_the_limit else ''}"
        )


@dataclass(frozen=True, slots=True)
class Ramp:
    """`most`: the largest number served, with its probe; `refused`: the smallest that was not."""

    most: Probe
    refused: Probe

    @property
    def sessions(self) -> int:
        return self.most.sessions

    @property
    def bound(self) -> float:
        """What the server could serve at most: more than was seen only where the client was the limit."""
        if not self.refused.client_was_the_limit:
            return float(self.sessions)
        return self.sessions / min(max(self.most.busy, 0.01), 1.0)

    def __str__(self) -> str:
        if self.bound > self.sessions:
            return f"{self.sessions} (here the client was the limit: at most {self.bound:.0f})"
        return str(self.sessions)


def climb(name: str, probe: Callable[[int], LoadReport]) -> Ramp:
    """Try ever larger numbers of sessions, then halve the gap. Raises RuntimeError if not even the first is served."""
    print(f"  {name}")
    most: Probe | None = None
    refused: Probe | None = None
    sessions = _FIRST
    while most is None or refused is None or refused.sessions - most.sessions > _FINE * refused.sessions:
        tried = _best(probe, sessions)
        if tried.served:
            most = tried
        else:
            refused = tried
        if most is None:
            raise RuntimeError(f"not even {_FIRST} sessions were served with p99 < {P99_MS:g} ms")
        sessions = _next(most, refused)
    return Ramp(most, refused)


def _best(probe: Callable[[int], LoadReport], sessions: int) -> Probe:
    """The first try that is served, or the last one."""
    for _ in range(_TRIES):
        tried = Probe(sessions, probe(sessions))
        print(f"    {tried}")
        if tried.served:
            break
    return tried


def _next(most: Probe, refused: Probe | None) -> int:
    if refused is None:
        return round(most.sessions * _GROWTH / 50) * 50
    return (most.sessions + refused.sessions) // 20 * 10
