"""What is known of the models in use goes in, their part of `/metrics` comes out; a family of its own file."""

from collections.abc import Iterable

import msgspec
from prometheus_client.registry import CollectorRegistry

from emdr_stream.telemetry.instruments import Instruments, Level, Tally


class ModelDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far a model is from its training, as stability indices; null while too few `sessions` were seen. It is drift
    from `outputs_limit` and `inputs_limit` on."""

    model: str
    outputs: float | None
    outputs_limit: float
    inputs: float | None
    inputs_limit: float
    sessions: float


class ModelsTold(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker knows of its models. `in_use`: name, version and checksum of each."""

    in_use: tuple[tuple[str, str, str], ...]
    drift: tuple[ModelDrift, ...]
    shadow_rows: int
    shadow_failures: int


class ModelMetrics:
    """Metrics of the models of one worker; part of `Metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._info = Level("emdr_model_info", "Models in use.", ("model", "version", "sha256"), ())
        self._outputs = Level("emdr_prediction_drift", "Stability index of what a model says.", ("model",), ())
        self._inputs = Level("emdr_input_drift", "Stability index of what a model is asked.", ("model",), ())
        self._limit = Level("emdr_drift_limit", "Stability index from which it is drift.", ("model", "of"), ())
        self._sessions = Level("emdr_drift_sessions", "Sessions that the stability indices rest on.", ("model",), ())
        self._shadow = Tally("emdr_shadow_rows", "Rows that a shadow scored too.")
        self._failures = Tally("emdr_shadow_failures", "Rows on which a shadow failed.")
        self._refused = Tally("emdr_model_refusals", "Times that a running service refused what was put in use.")
        Instruments(registry, (part for part in vars(self).values() if isinstance(part, Tally | Level)))

    def in_use(self, models: Iterable[tuple[str, str, str]]) -> None:
        """All models in use, by name, version and checksum."""
        self._info.levels.clear()
        for key in models:
            self._info.declare(key, 1)

    def drift(
        self, model: str, *, outputs: float | None, inputs: float | None, limits: tuple[float, float], sessions: float
    ) -> None:
        """How far a model has drifted; None while too few sessions were seen: then there is no such sample.

        `limits`: of outputs and inputs.
        """
        for level, index in ((self._outputs, outputs), (self._inputs, inputs)):
            level.levels.pop((model,), None)
            if index is not None:
                level.declare((model,), index)
        for of, limit in zip(("outputs", "inputs"), limits, strict=True):
            self._limit.declare((model, of), limit)
        self._sessions.declare((model,), sessions)

    def drift_unknown(self) -> None:
        """What is in use has no reference to drift from."""
        for level in (self._outputs, self._inputs, self._limit, self._sessions):
            level.levels.clear()

    def told(self) -> ModelsTold:
        """The same figures as values, for who has no Prometheus."""
        limits = self._limit.levels
        drift = tuple(
            ModelDrift(
                model=key[0],
                outputs=self._outputs.levels.get(key),
                outputs_limit=limits[key[0], "outputs"],
                inputs=self._inputs.levels.get(key),
                inputs_limit=limits[key[0], "inputs"],
                sessions=sessions,
            )
            for key, sessions in self._sessions.levels.items()
        )
        in_use = tuple((key[0], key[1], key[2]) for key in self._info.levels)
        rows, failures = int(self._shadow.counts[()]), int(self._failures.counts[()])
        return ModelsTold(in_use=in_use, drift=drift, shadow_rows=rows, shadow_failures=failures)

    def shadowed(self, rows: int, failures: int) -> None:
        """Totals."""
        self._shadow.counts[()] = rows
        self._failures.counts[()] = failures

    def refused(self) -> None:
        """A version that was put in use could not be taken up; the one before goes on."""
        self._refused.add(())
