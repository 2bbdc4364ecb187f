"""Counts and durations go in at a fraction of a microsecond, Prometheus metric families come out when somebody scrapes.

The Prometheus client takes a lock for each observation (0.6 µs through a bound child). These instruments are only ever
touched from the event loop's thread, where a scrape is answered too: they need no lock.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from math import inf
from typing import Final, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

Key: TypeAlias = str | tuple[str, ...]
"""One label's value, or a tuple of them; `()` for an instrument without labels."""

# A duration beyond this is a broken clock: one such value would spoil the sum for ever.
_LONGEST_S: Final = 86_400.0


def _text(bound: float) -> str:
    return "+Inf" if bound == inf else repr(bound)


def _values(key: Key) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else key


class Tally:
    """A counter for each of a fixed set of keys; another key is a KeyError, so that labels stay bounded.

    `counts` may be incremented directly where a call is too dear.
    """

    __slots__ = ("_help", "_labels", "_name", "counts")

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...] = (), keys: Iterable[Key] = ((),)) -> None:
        self._name, self._help, self._labels = name, help_text, labels
        self.counts: dict[Key, float] = dict.fromkeys(keys, 0)

    def add(self, key: Key = (), amount: float = 1) -> None:
        self.counts[key] += amount

    def family(self) -> Metric:
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for key, count in self.counts.items():
            family.add_metric(_values(key), count)
        return family


class Level:
    """A gauge for each of a fixed set of keys; `declare` admits a key that is known only later, at start."""

    __slots__ = ("_help", "_labels", "_name", "levels")

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...] = (), keys: Iterable[Key] = ((),)) -> None:
        self._name, self._help, self._labels = name, help_text, labels
        self.levels: dict[Key, float] = dict.fromkeys(keys, 0)

    def declare(self, key: Key, value: float = 0) -> None:
        self.levels[key] = value

    def add(self, key: Key = (), amount: float = 1) -> None:
        self.levels[key] += amount

    def put(self, value: float, key: Key = ()) -> None:
        if key not in self.levels:
            raise KeyError(key)
        self.levels[key] = value

    def family(self) -> Metric:
        family = GaugeMetricFamily(self._name, self._help, labels=self._labels)
        for key, level in self.levels.items():
            family.add_metric(_values(key), level)
        return family


class Buckets:
    """Counts of observed seconds by upper bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "_gathered", "_sum", "gather")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._gathered: list[float] = []
        self.gather = self._gathered.append
        """Takes seconds as `observe` does, at the price of an append; they count from the next `fold`."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count a duration, `times` over. Below zero (clocks disagree) counts as zero; NaN and above a day do not."""
        if 0.0 <= seconds < _LONGEST_S:
            self._counts[bisect_left(self._bounds, seconds)] += times
            self._sum += seconds * times
        elif seconds < 0.0:
            self._counts[0] += times

    def fold(self, at_least: int = 1) -> None:
        """Count what was gathered, if it is so much; whoever gathers sees to it that this is called ever again."""
        gathered = self._gathered
        if len(gathered) < at_least:
            return
        gathered.sort()
        total = sum(gathered)
        if gathered[0] >= 0.0 and gathered[-1] < _LONGEST_S and total == total:
            counted = 0
            for i, bound in enumerate((*self._bounds, inf)):
                up_to = bisect_right(gathered, bound)
                self._counts[i] += up_to - counted
                counted = up_to
            self._sum += total
        else:
            for seconds in gathered:
                self.observe(seconds)
        gathered.clear()

    def quantiles(self, wanted: tuple[float, ...]) -> tuple[int, tuple[float | None, ...]]:
        """How many durations there are, and of each quantile the upper bound of its step, in seconds.

        None where there are none, or where the step has no bound.
        """
        self.fold()
        total, found = sum(self._counts), []
        for quantile in wanted:
            so_far, at = 0, None
            for bound, count in zip(self._bounds, self._counts, strict=False):
                so_far += count
                if total and so_far >= quantile * total:
                    at = bound
                    break
            found.append(at)
        return total, tuple(found)

    def cumulative(self) -> tuple[list[tuple[str, float]], float]:
        """Pairs of upper bound and count up to it, the last one "+Inf"; and the sum in seconds."""
        self.fold()
        pairs, so_far = [], 0
        for bound, count in zip((*self._bounds, inf), self._counts, strict=True):
            so_far += count
            pairs.append((_text(bound), float(so_far)))
        return pairs, self._sum


class Histogram:
    """`Buckets` for each of a fixed set of keys."""

    __slots__ = ("_help", "_labels", "_name", "of")

    def __init__(
        self,
        name: str,
        help_text: str,
        bounds: tuple[float, ...],
        labels: tuple[str, ...] = (),
        keys: Iterable[Key] = ((),),
    ) -> None:
        self._name, self._help, self._labels = name, help_text, labels
        self.of: dict[Key, Buckets] = {key: Buckets(bounds) for key in keys}

    def family(self) -> Metric:
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for key, buckets in self.of.items():
            pairs, total = buckets.cumulative()
            family.add_metric(_values(key), pairs, total)
        return family


class Instruments(Collector):
    """What the registry asks for families. Registering the same names twice is refused by the registry."""

    def __init__(self, registry: CollectorRegistry, instruments: Iterable[Tally | Level | Histogram]) -> None:
        self._instruments = tuple(instruments)
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        for instrument in self._instruments:
            yield instrument.family()

    def describe(self) -> Iterator[Metric]:
        return self.collect()
