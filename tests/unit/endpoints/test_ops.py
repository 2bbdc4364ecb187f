"""What operators are told of the service's health."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client.registry import CollectorRegistry
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emdr_stream.endpoints.ops import OpsLimits, Part, ops_routes
from emdr_stream.telemetry.merge import merged
from emdr_stream.telemetry.metrics import Metrics

WELL = (Part("models", True), Part("redis", True, required=False), Part("journal", True))


@dataclass
class Service:
    """A service whose state the test decides."""

    lag_s: float = 0.001
    state: Sequence[Part] = WELL
    hangs: bool = False
    fails: bool = False
    instruments: Metrics = field(default_factory=lambda: Metrics(CollectorRegistry(), version="9.9"))

    def event_loop_lag_s(self) -> float:
        return self.lag_s

    async def parts(self) -> Sequence[Part]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise RuntimeError("postgresql://user:hunter2@host is gone")
        return self.state

    def metrics(self) -> bytes:
        return self.instruments.render()

    async def all_metrics(self) -> bytes:
        return merged({"0": self.metrics().decode(), "1": self.metrics().decode()})


def ask(path: str, service: Service, method: str = "GET") -> Any:
    app = Starlette(routes=ops_routes(service, "9.9", OpsLimits(event_loop_lag_s=0.5, parts_timeout_s=0.01)))
    return TestClient(app).request(method, path)


def test_a_loop_that_turns_is_alive() -> None:
    answer = ask("/healthz", Service(lag_s=0.5))
    assert (answer.status_code, answer.json()["alive"], answer.json()["version"]) == (200, True, "9.9")


def test_a_loop_that_hangs_is_not_alive() -> None:
    answer = ask("/healthz", Service(lag_s=0.6))
    assert (answer.status_code, answer.json()["alive"], answer.json()["event_loop_lag_s"]) == (503, False, 0.6)


def test_a_service_is_alive_although_it_is_not_ready() -> None:
    service = Service(state=[Part("models", False, "none is loaded")])
    assert (ask("/healthz", service).status_code, ask("/readyz", service).status_code) == (200, 503)


def test_ready_names_every_part() -> None:
    answer = ask("/readyz", Service())
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "parts": {
            "models": {"ok": True, "why": "", "required": True},
            "redis": {"ok": True, "why": "", "required": False},
            "journal": {"ok": True, "why": "", "required": True},
        },
    }


def test_a_required_part_that_fails_makes_the_service_not_ready_and_says_why() -> None:
    answer = ask("/readyz", Service(state=[Part("journal", False, "the disk is full"), *WELL[:2]]))
    assert answer.status_code == 503
    assert answer.json()["parts"]["journal"]["why"] == "the disk is full"


def test_an_optional_part_that_fails_is_told_but_new_sessions_are_taken() -> None:
    answer = ask("/readyz", Service(state=[*WELL[:1], Part("redis", False, "no answer", required=False)]))
    assert (answer.status_code, answer.json()["parts"]["redis"]["ok"]) == (200, False)


@pytest.mark.parametrize(("service", "why"), [(Service(hangs=True), "within 0.01 s"), (Service(fails=True), "the log")])
def test_a_probe_that_fails_or_hangs_is_an_answer_too(service: Service, why: str) -> None:
    answer = ask("/readyz", service)
    assert answer.status_code == 503
    assert why in answer.json()["parts"]["probe"]["why"]
    assert "hunter2" not in answer.text


def test_metrics_are_prometheus_text_of_all_workers_and_of_one_when_asked_for_it() -> None:
    answer = ask("/metrics", Service())
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for worker in "01":
        assert f'emdr_build_info{{version="9.9",worker="{worker}"}} 1.0' in answer.text
    assert answer.text.count("# TYPE emdr_build_info gauge") == 1
    assert 'emdr_build_info{version="9.9"} 1.0' in ask("/metrics?of=this", Service()).text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_no_answer_may_be_cached_and_nothing_can_be_posted(path: str) -> None:
    assert ask(path, Service()).headers["cache-control"] == "no-store"
    assert ask(path, Service(), "POST").status_code == 405
