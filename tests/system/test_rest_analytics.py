"""Analytics over REST: a running service sums up the sessions that it finds, and answers for those who may ask."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from emdr_stream.reports.page import CSP
from emdr_stream.store.archive import DAY_MS
from emdr_stream.store.postgres import PostgresStore
from tests.contract.waiting import until
from tests.kept_sessions import DAY0, alerts_of, session
from tests.system.hanging import hung
from tests.system.rest import Answer, get, post
from tests.system.service import Service, eventually, service

pytestmark = [pytest.mark.system, pytest.mark.anyio, pytest.mark.timeout(120)]

SPAN = {"since": DAY0 - DAY_MS, "until": DAY0 + 20 * DAY_MS}
SESSIONS = 8


async def fill(database_url: str) -> None:
    """Eight sessions of anna and two of ben, as a service left them."""
    store = PostgresStore(database_url, timeout_s=10.0)
    for number in range(SESSIONS):
        await store.write(session(f"a{number}", "anna", DAY0 + number * DAY_MS, seconds=100, seed=number + 1))
    for number in range(2):
        await store.write(session(f"b{number}", "ben", DAY0 + number * DAY_MS, seconds=100, seed=50 + number))
    await store.append_alerts(alerts_of("a0", "anna"))
    await store.aclose()


@pytest.fixture(scope="module")
def practice() -> Iterator[Service]:
    """A service that has summed up by itself what its database holds."""
    with service(rest_rate_hz="10000") as running:
        asyncio.run(fill(running.database_url))

        def summed_up() -> bool:
            told = get(running, "/v1/analytics/dashboard", running.token("service", "back-end"), **SPAN)
            return bool(told.json["figures"]["sessions"] == SESSIONS + 2)

        assert eventually(summed_up, 60)
        yield running


def of_anna(running: Service) -> str:
    return running.token("therapist", "t-1", clients=["anna"])


def test_a_clients_dashboard_has_their_sessions_and_courses(practice: Service) -> None:
    token = of_anna(practice)
    for day, value in ((0, 52), (3, 44), (6, 30)):
        kept = post(
            practice, "/v1/users/anna/outcomes", {"measure": "pcl5", "value": value, "ts": DAY0 + day * DAY_MS}, token
        )
        assert kept.status == 200, kept.body
    told = get(practice, "/v1/analytics/dashboard", token, user="anna", **SPAN).json
    assert told["scope"] == "client"
    assert told["figures"]["sessions"] == SESSIONS and told["figures"]["clients"] == 1
    assert [row["session_id"] for row in told["sessions"]] == [f"a{number}" for number in range(SESSIONS - 1, -1, -1)]
    assert told["alert_kinds"] == {"crisis": 1, "signal_lost": 1}
    assert sum(period["figures"]["sessions"] for period in told["periods"]) == SESSIONS
    (pcl5,) = [course for course in told["courses"] if course["measure"] == "pcl5"]
    assert (pcl5["values"], pcl5["gained"], pcl5["reliable"]) == ([52.0, 44.0, 30.0], 22.0, True)


def test_everybody_sees_their_own_clients_and_a_client_sees_nothing(practice: Service) -> None:
    back_end = practice.token("service", "back-end")
    everybody = get(practice, "/v1/analytics/dashboard", back_end, **SPAN).json
    assert (everybody["scope"], everybody["figures"]["clients"]) == ("service", 2)
    assert {row["user"] for row in everybody["clients"]} == {"anna", "ben"}
    mine = get(practice, "/v1/analytics/dashboard", of_anna(practice), **SPAN).json
    assert (mine["scope"], [row["user"] for row in mine["clients"]]) == ("therapist", ["anna"])
    nobody = get(practice, "/v1/analytics/dashboard", practice.token("therapist", "t-2"), **SPAN).json
    assert (nobody["scope"], nobody["figures"]["sessions"]) == ("therapist", 0)
    client = practice.token("client", "anna")
    for path in ("/v1/analytics/dashboard", "/v1/analytics/trends", "/v1/analytics/models", "/v1/sessions/a0/report"):
        assert get(practice, path, client).status == 403
    assert post(practice, "/v1/analytics/insights", {"user": "anna"}, client).status == 403
    assert get(practice, "/v1/analytics/dashboard", of_anna(practice), user="ben", **SPAN).status == 404
    assert get(practice, "/v1/sessions/b0/report", of_anna(practice)).status == 404


def test_insights_come_with_their_numbers_in_both_languages(practice: Service) -> None:
    token = of_anna(practice)
    english = post(practice, "/v1/analytics/insights", {"user": "anna", **SPAN}, token).json["insights"]
    russian = post(practice, "/v1/analytics/insights", {"user": "anna", "language": "ru", **SPAN}, token).json[
        "insights"
    ]
    assert [row["kind"] for row in english] == [row["kind"] for row in russian]
    assert all(a["text"] != b["text"] and a["numbers"] == b["numbers"] for a, b in zip(english, russian, strict=True))
    compared = [row for row in english if row["subject"] == "outside_window"]
    assert compared[0]["numbers"]["n_before"] == SESSIONS - 4 and compared[0]["numbers"]["n_after"] == 4
    thin = post(practice, "/v1/analytics/insights", {**SPAN}, token).json["insights"]
    assert {row["kind"] for row in thin} == {"not_enough_data"}


def test_trends_have_a_point_for_each_session(practice: Service) -> None:
    told = get(practice, "/v1/analytics/trends", of_anna(practice), user="anna", **SPAN).json
    (outside,) = [trend for trend in told["trends"] if trend["name"] == "outside_window"]
    assert len(outside["points"]) == SESSIONS and outside["slope"]["sure"] in {"unclear", "likely", "clear"}
    periods = get(practice, "/v1/analytics/trends", practice.token("service", "x"), days=1, **SPAN).json
    assert {trend["step"] for trend in periods["trends"]} == {"period"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": 5, "until": 5}, "since"),
        ({"since": 0, "until": DAY0, "days": 1}, "days"),
        ({"days": 0}, "days"),
        ({"until": "soon"}, "until"),
        ({"whom": "anna"}, "whom"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_field(practice: Service, query: dict[str, Any], field: str) -> None:
    refused = get(practice, "/v1/analytics/dashboard", practice.token("service", "x"), **query)
    assert (refused.status, refused.json["code"]) == (422, "invalid_field")
    assert field in refused.json["detail"] or refused.json["field"] == field


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"measure": "pcl5", "value": 81}, "from 0 to 80"),
        ({"measure": "pcl5", "value": 40, "target": "the fall"}, "leave it empty"),
        ({"measure": "sud", "value": 4, "ts": 4_000_000_000_000}, "future"),
        ({"measure": "iesr", "value": 4}, "measure"),
    ],
)
def test_a_result_that_cannot_be_is_not_kept(practice: Service, body: dict[str, Any], told: str) -> None:
    refused = post(practice, "/v1/users/anna/outcomes", body, of_anna(practice))
    assert refused.status == 422 and told in refused.json["detail"]


def exported(running: Service, form: str, **more: Any) -> Answer:
    body = {"user": "anna", "format": form, **more}
    return post(running, "/v1/analytics/export", body, of_anna(running))


def test_an_export_comes_in_each_form(practice: Service) -> None:
    table = exported(practice, "csv", table="seconds")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="seconds.csv"' in table.headers["content-disposition"]
    assert len(list(csv.DictReader(io.StringIO(table.body.decode())))) == 100 * SESSIONS
    lines = exported(practice, "jsonl").lines
    assert {line["session_id"][0] for line in lines if "session_id" in line} == {"a"}
    bundle = Bundle.model_validate_json(exported(practice, "fhir").body)
    assert bundle.entry is not None and len(bundle.entry) > 50
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `export` is not installed")
    found = parquet.read_table(io.BytesIO(exported(practice, "parquet", table="sessions").body))
    assert found.num_rows == SESSIONS
    assert exported(practice, "csv", table="secrets").status == 422


async def test_who_took_an_export_stands_in_the_audit_log(practice: Service) -> None:
    exported(practice, "csv")
    store = PostgresStore(practice.database_url)

    async def noted() -> bool:
        found = await store.ask(
            lambda connection: connection.fetch(
                "select body from audit_log where user_id = 'anna' and body like '%analytics.export%'"
            )
        )
        return any(json.loads(row["body"])["by"] == "t-1" for row in found)

    await until(noted)
    await store.aclose()


def test_a_report_is_a_page_under_a_strict_policy(practice: Service) -> None:
    told = get(practice, "/v1/sessions/a3/report", of_anna(practice))
    assert (told.status, told.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert told.headers["content-security-policy"] == CSP
    assert told.headers["cache-control"] == "no-store"
    assert b"<svg" in told.body and b"a3" in told.body


def test_the_models_that_decide_are_told_with_drift_latency_and_decisions(practice: Service) -> None:
    told = get(practice, "/v1/analytics/models", of_anna(practice), days=366).json
    assert {model["name"] for model in told["models"]} >= {"emotion_safety"}
    assert all(len(model["sha256"]) == 64 for model in told["models"])
    (drift,) = told["drift"]
    assert drift["model"] == "emotion_safety" and drift["outputs"] is None and drift["outputs_limit"] > 0
    assert [row["stage"] for row in told["latency"]] == ["queue", "infer", "total"]
    assert told["decisions"].keys() == {"crisis", "high_risk", "dissociation"}


async def test_a_store_that_hangs_is_told_within_its_time(practice: Service) -> None:
    async with hung(practice, "postgres"):
        began = asyncio.get_running_loop().time()
        refused = await asyncio.to_thread(get, practice, "/v1/analytics/dashboard", of_anna(practice), **SPAN)
        assert (refused.status, refused.json["code"]) == (503, "unavailable")
        assert asyncio.get_running_loop().time() - began < 3.0
