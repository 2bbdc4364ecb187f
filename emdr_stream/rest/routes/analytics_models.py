"""A question about the models in, what decides now out: versions, drift, latency, and what their scores led to."""

from typing import Annotated, Final

from msgspec import Meta

from emdr_stream.domain import AlertKind
from emdr_stream.rest.operation import THERAPIST_AND_SERVICE, Asked, Call, Operation, Told
from emdr_stream.store.archive import DAY_MS, Span
from emdr_stream.telemetry.labels import Stage
from emdr_stream.telemetry.model_metrics import ModelDrift
from emdr_stream.wire.values import ModelRef

_OF_MODELS: Final = (AlertKind.CRISIS, AlertKind.HIGH_RISK, AlertKind.DISSOCIATION)
_STAGES: Final = (Stage.QUEUE, Stage.INFER, Stage.TOTAL)


class ModelsQuery(Asked, frozen=True, kw_only=True):
    days: Annotated[int, Meta(ge=1, le=366, description="how far back decisions are counted")] = 30


class StageLatency(Told, frozen=True, kw_only=True):
    """Since this worker began. `p50_ms`, `p99_ms`: upper bounds of the histogram's steps; null before the first one,
    and beyond the last step. queue: a row waits; infer: features and models; total: receipt to answer."""

    stage: str
    count: int
    p50_ms: float | None
    p99_ms: float | None


class ModelsNow(Told, frozen=True, kw_only=True):
    """What decides now. Times and drift are of the worker that answers; `decisions`: alerts that models raised for your
    clients in the last `days`, by kind, and `sessions`: how many sessions those are of."""

    models: tuple[ModelRef, ...]
    drift: tuple[ModelDrift, ...]
    latency: tuple[StageLatency, ...]
    shadow_rows: int
    shadow_failures: int
    days: int
    sessions: int
    decisions: dict[str, int]


async def show_models(call: Call[None, ModelsQuery]) -> ModelsNow:
    """Versions, drift, latency and decisions."""
    parts, days, now_ms = call.parts, call.query.days, call.parts.wall_ms()
    clients = call.principal.clients
    users = None if "*" in clients else sorted(clients)
    span = Span(users, now_ms - days * DAY_MS, now_ms)
    kinds = await parts.archive.kinds(span)
    sums = await parts.archive.sums(span)
    told = parts.metrics.models.told()
    return ModelsNow(
        models=tuple(ModelRef(name=name, version=version, sha256=sha256) for name, version, sha256 in told.in_use),
        drift=told.drift,
        latency=tuple(_latency(call, stage) for stage in _STAGES),
        shadow_rows=told.shadow_rows,
        shadow_failures=told.shadow_failures,
        days=days,
        sessions=sums.sessions,
        decisions={kind.value: kinds.get(kind.value, 0) for kind in _OF_MODELS},
    )


def _latency(call: Call[None, ModelsQuery], stage: Stage) -> StageLatency:
    count, (p50_s, p99_s) = call.parts.metrics.quantiles_of(stage, (0.5, 0.99))
    return StageLatency(stage=stage.value, count=count, p50_ms=_ms(p50_s), p99_ms=_ms(p99_s))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1_000 * seconds, 3)


OPERATIONS: Final = (
    Operation(
        name="analytics.models",
        method="GET",
        path="/v1/analytics/models",
        summary="The models that decide now: versions, drift, latency, and what their scores led to.",
        roles=THERAPIST_AND_SERVICE,
        handle=show_models,
        query=ModelsQuery,
        answer=ModelsNow,
    ),
)
