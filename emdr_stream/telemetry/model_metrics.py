"""What is known of the models in use goes in, their part of `/metrics` comes out; a family of its own file."""

from collections.abc import Iterable

from prometheus_client.registry import CollectorRegistry

from emdr_stream.telemetry.instruments import Instruments, Level, Tally


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

    def shadowed(self, rows: int, failures: int) -> None:
        """Totals."""
        self._shadow.counts[()] = rows
        self._failures.counts[()] = failures

    def refused(self) -> None:
        """A version that was put in use could not be taken up; the one before goes on."""
        self._refused.add(())
