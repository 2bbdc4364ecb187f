"""The texts of several workers' `/metrics` in, one text for all of them out, each sample with the label `worker`."""

from collections.abc import Iterator, Mapping

from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector


def merged(texts: Mapping[str, str]) -> bytes:
    """`texts`: by the worker's number. A family is told once, with the samples of all workers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(texts))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for worker, text in self._texts.items():
            for told in text_string_to_metric_families(text):
                family = families.setdefault(told.name, Metric(told.name, told.documentation, told.type))
                for sample in told.samples:
                    family.add_sample(sample.name, {**sample.labels, "worker": worker}, sample.value)
        return iter(families.values())

    def describe(self) -> Iterator[Metric]:
        return iter(())
