"""A probe of the service goes in, the routes for operators come out: `/healthz`, `/readyz` and `/metrics`.

Alive means: the event loop answers in time; whoever fails that should be restarted. Ready means: every part that a new
session cannot do without is there; whoever fails that should get no new clients, but must not be restarted for it.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emdr_stream.telemetry.metrics import METRICS_CONTENT_TYPE

_LOG: Final = logging.getLogger(__name__)

# Answers about this moment: no cache may keep them.
_FRESH: Final = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class Part:
    """The state of one part. `why`: in our own words, empty when all is well. `required`: nothing works without it."""

    name: str
    ok: bool
    why: str = ""
    required: bool = True


class Probe(Protocol):
    """What the routes ask the service."""

    def event_loop_lag_s(self) -> float:
        """How late the event loop last ran a timer, in seconds."""

    async def parts(self) -> Sequence[Part]:
        """Models, stores, migrations, faces, journal, room for sessions, each looked at now."""

    def metrics(self) -> bytes:
        """The text of this worker's own metrics."""

    async def all_metrics(self) -> bytes:
        """The text of `/metrics`: of all workers, where there are several."""


@dataclass(frozen=True, slots=True)
class OpsLimits:
    """When the service counts as hung, and how long its parts may take to answer; seconds."""

    event_loop_lag_s: float = 1.0
    parts_timeout_s: float = 2.0


def ops_routes(probe: Probe, version: str, limits: OpsLimits | None = None) -> list[Route]:
    """Routes without authentication: they tell nothing of any person, session or address."""
    bounds = limits or OpsLimits()

    async def healthz(_: Request) -> Response:
        lag_s = probe.event_loop_lag_s()
        alive = lag_s <= bounds.event_loop_lag_s
        body = {"alive": alive, "version": version, "event_loop_lag_s": round(lag_s, 6)}
        return JSONResponse(body, 200 if alive else 503, headers=_FRESH)

    async def readyz(_: Request) -> Response:
        parts = await _looked_at(probe, bounds.parts_timeout_s)
        ready = all(part.ok for part in parts if part.required)
        told = {part.name: {"ok": part.ok, "why": part.why, "required": part.required} for part in parts}
        return JSONResponse({"ready": ready, "parts": told}, 200 if ready else 503, headers=_FRESH)

    async def metrics(request: Request) -> Response:
        text = probe.metrics() if request.query_params.get("of") == "this" else await probe.all_metrics()
        return Response(text, media_type=METRICS_CONTENT_TYPE, headers=_FRESH)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _looked_at(probe: Probe, timeout_s: float) -> Sequence[Part]:
    """The parts, or one that says why they could not be looked at: an operator gets an answer in any case."""
    try:
        async with asyncio.timeout(timeout_s):
            return await probe.parts()
    except TimeoutError:
        return [Part("probe", False, f"the parts did not answer within {timeout_s:g} s")]
    except Exception:
        _LOG.exception("the readiness probe failed")
        return [Part("probe", False, "the parts could not be looked at: see the log")]
