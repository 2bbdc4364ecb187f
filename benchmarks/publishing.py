"""Two publishers in turn on one Redis, in one run; CPU µs a live state of each, their ratio and the verdict out."""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.goals import Goal, judge
from benchmarks.processes import pinned
from benchmarks.service import RunningService, service
from emdr_stream.embedded.folder import running_stores

G5_CPU = Goal("G5 publisher CPU per state", "x (ours ÷ awaited publish)", must=0.25, aim=0.03, more=False)
SESSIONS = 500


def publisher_cpu(rounds: int, seconds: float, rate_hz: float) -> bool:
    """G5, first half. The publisher is alone on core 0, Redis is on core 1."""
    ratios = []
    with service() as running, _redis_url(running) as url:
        print(f"\n{SESSIONS} sessions x {rate_hz:g} live states a second, nobody listens; CPU µs a state")
        for number in range(1, rounds + 1):
            awaited, ours = (_cpu_us(way, url, rate_hz, seconds) for way in ("awaited", "ours"))
            ratios.append(ours / awaited)
            print(f"  round {number}: awaited {awaited:6.2f}   ours {ours:6.2f}   ours ÷ awaited {ratios[-1]:.3f}")
    return judge(G5_CPU, statistics.median(ratios))


def _cpu_us(way: str, url: str, rate_hz: float, seconds: float) -> float:
    command = [sys.executable, "-m", "benchmarks.publisher", way, url, str(SESSIONS), str(rate_hz), str(seconds)]
    told = subprocess.run(pinned(0, command), capture_output=True, text=True, check=False, cwd=_ROOT)
    if told.returncode != 0:
        raise RuntimeError(f"the publisher failed:\n{told.stderr}")
    return float(told.stdout)


@contextmanager
def _redis_url(running: RunningService) -> Iterator[str]:
    stores = running_stores(running.data_dir)
    if stores is None:
        raise RuntimeError("the service's embedded stores are gone")
    yield stores.redis_url


_ROOT = Path(__file__).parent.parent
