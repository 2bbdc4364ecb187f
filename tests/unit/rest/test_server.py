"""The door of the REST API: what is checked, in which order, and how every refusal is told."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from msgspec import Meta

from emdr_stream.domain import Role
from emdr_stream.errors import StoreUnavailable
from emdr_stream.rest.idempotency import Keyed, MemoryAnswers
from emdr_stream.rest.operation import NDJSON, THERAPIST_AND_SERVICE, Asked, Call, Lines, NoQuery, Operation, Told
from emdr_stream.rest.problems import Problem, ProblemCode
from tests.unit.rest.world import World


class Number(Asked, frozen=True, kw_only=True):
    value: Annotated[float, Meta(ge=0, le=1)]
    note: str = ""


class Found(Asked, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=9)] = 3


class Doubled(Told, frozen=True, kw_only=True):
    value: float
    count: int = 0


class Counter:
    """Operations that count how often they acted."""

    def __init__(self) -> None:
        self.count = 0

    async def double(self, call: Call[Number, NoQuery]) -> Doubled:
        self.count += 1
        if call.body.note == "refuse":
            raise Problem(ProblemCode.CONFLICT, "not now")
        return Doubled(value=2 * call.body.value, count=self.count)

    async def look(self, call: Call[None, Found]) -> Doubled:
        return Doubled(value=float(call.query.limit))

    async def whose(self, call: Call[None, NoQuery]) -> Doubled:
        call.check_user(call.path["user"])
        return Doubled(value=1.0)

    async def lines(self, call: Call[None, NoQuery]) -> Lines:
        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"n": 1}\n'
            yield b'{"n": 2}\n'

        return Lines(pieces(), {"content-type": NDJSON})

    async def fail(self, call: Call[None, NoQuery]) -> Doubled:
        raise RuntimeError("a secret of the caller's")

    async def away(self, call: Call[None, NoQuery]) -> Doubled:
        raise StoreUnavailable("PostgreSQL did not answer")

    def operations(self) -> list[Operation]:
        common: dict[str, Any] = {"summary": "A test.", "roles": THERAPIST_AND_SERVICE, "answer": Doubled}
        return [
            Operation(
                name="safety.double", method="POST", path="/v1/double", handle=self.double, body=Number, acts=True,
                body_bytes=1_000, **common,
            ),
            Operation(name="safety.look", method="GET", path="/v1/double", handle=self.look, query=Found, **common),
            Operation(name="safety.whose", method="GET", path="/v1/of/{user}", handle=self.whose, **common),
            Operation(
                name="safety.lines", method="GET", path="/v1/lines", handle=self.lines, media=(NDJSON,), **common
            ),
            Operation(name="safety.fail", method="GET", path="/v1/fail", handle=self.fail, **common),
            Operation(name="safety.away", method="GET", path="/v1/away", handle=self.away, **common),
        ]  # fmt: skip


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def world(counter: Counter) -> World:
    return World(counter.operations())


def refused(answer: Any, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The problem that an answer holds, after a look at its form."""
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["status"], told["code"], told.get("field")) == (status, status, code, field)
    return told


def test_a_request_that_is_right_is_answered(world: World) -> None:
    answer = world.ask("POST", "/v1/double", json={"value": 0.25})
    assert (answer.status_code, answer.json()) == (200, {"value": 0.5, "count": 1})
    assert world.ask("GET", "/v1/double?limit=7").json()["value"] == 7.0


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer ", "Bearer nonsense"])
def test_without_a_token_of_ours_nothing_is_done(world: World, counter: Counter, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = world.ask("POST", "/v1/double", token=None, headers=headers, json={"value": 0.25})
    refused(answer, 401, "unauthorized", "Authorization")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert counter.count == 0


def test_a_role_that_may_not_is_refused_and_written_down(world: World) -> None:
    answer = world.ask("GET", "/v1/double", token=world.token(Role.CLIENT, "u-1"))
    refused(answer, 403, "forbidden")
    (row,) = world.notebook.rows
    assert (row["by"], row["action"], row["refused"], row["code"]) == ("u-1", "safety.look", True, "forbidden")


def test_another_therapists_client_is_not_found_and_the_try_is_written_down(world: World) -> None:
    assert world.ask("GET", "/v1/of/u-1").status_code == 200
    refused(world.ask("GET", "/v1/of/u-2"), 404, "not_found", "user")
    assert [row["action"] for row in world.notebook.rows] == ["safety.whose"]


def test_more_than_so_many_a_second_are_told_to_come_back(counter: Counter) -> None:
    world = World(counter.operations(), rate_hz=2)
    statuses = [world.ask("GET", "/v1/double").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    other = world.ask("GET", "/v1/double", token=world.token(sub="t-2"))
    assert other.status_code == 200, "another caller's rate is another's"
    world.now = 1.5
    assert world.ask("GET", "/v1/double").status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("limit=1&limit=2", "limit"), ("unknown=1", "query")],
)
def test_a_query_that_cannot_be_is_named(world: World, query: str, field: str) -> None:
    refused(world.ask("GET", f"/v1/double?{query}"), 422, "invalid_field", field)


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"{", 400, "bad_message", None),
        (b"[]", 400, "bad_message", None),
        (b"", 400, "bad_message", None),
        (b"\xff", 400, "bad_message", None),
        (b"{}", 422, "invalid_field", "value"),
        (b'{"value": 2}', 422, "invalid_field", "value"),
        (b'{"value": "0.5"}', 422, "invalid_field", "value"),
        (b'{"value": 0.5, "extra": 1}', 422, "invalid_field", None),
        (b'{"value": NaN}', 400, "bad_message", None),
        (b" " * 1_001, 413, "too_large", None),
    ],
)
def test_a_body_that_cannot_be_is_named(
    world: World, counter: Counter, body: bytes, status: int, code: str, field: str | None
) -> None:
    answer = world.ask("POST", "/v1/double", content=body, headers={"Content-Type": "application/json"})
    refused(answer, status, code, field)
    assert counter.count == 0


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}],
)
def test_a_body_of_another_type_is_refused(world: World, headers: dict[str, str]) -> None:
    answer = world.ask("POST", "/v1/double", content=b'{"value": 0.5}', headers=headers)
    refused(answer, 415, "unsupported_media_type", "Content-Type")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/*", 200),
        ("text/html, application/json;q=0.1", 200),
        ("text/html", 406),
        ("application/json;q=0, */*", 406),
        ("nonsense", 406),
    ],
)
def test_what_is_accepted_is_respected(world: World, accept: str, status: int) -> None:
    assert world.ask("GET", "/v1/double", headers={"Accept": accept}).status_code == status


def test_another_method_is_told_which_there_are(world: World) -> None:
    answer = world.ask("DELETE", "/v1/double")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_an_address_of_nothing_is_a_problem_too(world: World) -> None:
    refused(world.ask("GET", "/v1/nothing"), 404, "not_found")
    refused(world.ask("GET", "/v1/double/"), 404, "not_found")
    refused(world.ask("GET", "/v1/of/%20"), 404, "not_found")


def test_the_same_key_acts_once_and_has_one_answer(world: World, counter: Counter) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = world.ask("POST", "/v1/double", json={"value": 0.25}, headers=key)
    again = world.ask("POST", "/v1/double", json={"value": 0.25}, headers=key)
    assert first.content == again.content and counter.count == 1
    assert again.headers["idempotent-replay"] == "true" and "idempotent-replay" not in first.headers
    refused(world.ask("POST", "/v1/double", json={"value": 0.5}, headers=key), 422, "key_reused", "Idempotency-Key")
    other = world.ask("POST", "/v1/double", json={"value": 0.5}, headers=key, token=world.token(sub="t-2"))
    assert other.status_code == 200 and counter.count == 2, "keys of different callers never meet"


def test_a_key_whose_request_was_refused_may_be_used_again(world: World, counter: Counter) -> None:
    key = {"Idempotency-Key": "k-1"}
    refused(world.ask("POST", "/v1/double", json={"value": 0, "note": "refuse"}, headers=key), 409, "conflict")
    assert world.ask("POST", "/v1/double", json={"value": 0.5}, headers=key).status_code == 200
    assert counter.count == 2


class Forgetful(MemoryAnswers):
    """A store that goes away once it has been asked."""

    async def finish(self, keyed: Keyed, answer: bytes) -> None:
        raise StoreUnavailable("it has just gone away")

    async def give_up(self, keyed: Keyed) -> None:
        raise StoreUnavailable("it has just gone away")


def test_what_was_done_is_told_as_done_although_its_answer_cannot_be_kept(counter: Counter) -> None:
    world = World(counter.operations(), answers=Forgetful())
    key = {"Idempotency-Key": "k-1"}
    done = world.ask("POST", "/v1/double", json={"value": 0.25}, headers=key)
    assert (done.status_code, counter.count) == (200, 1)
    refused(world.ask("POST", "/v1/double", json={"value": 0.25}, headers=key), 409, "in_progress", "Idempotency-Key")
    other = {"Idempotency-Key": "k-2"}
    refused(world.ask("POST", "/v1/double", json={"value": 0, "note": "refuse"}, headers=other), 409, "conflict")


@pytest.mark.parametrize("key", ["", "a" * 129, "a\tb"])
def test_a_key_that_is_none_is_refused(world: World, key: str) -> None:
    answer = world.ask("POST", "/v1/double", json={"value": 0.5}, headers={"Idempotency-Key": key})
    refused(answer, 422, "invalid_field", "Idempotency-Key")


def test_an_answer_that_still_holds_is_not_sent_again(world: World) -> None:
    first = world.ask("GET", "/v1/double?limit=5")
    tag = first.headers["etag"]
    again = world.ask("GET", "/v1/double?limit=5", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert world.ask("GET", "/v1/double?limit=6", headers={"If-None-Match": tag}).status_code == 200


def test_lines_are_streamed_as_they_are_made(world: World) -> None:
    answer = world.ask("GET", "/v1/lines")
    assert answer.headers["content-type"].startswith(NDJSON)
    assert [json.loads(line) for line in answer.text.splitlines()] == [{"n": 1}, {"n": 2}]


def test_a_store_that_is_away_is_told_with_when_to_come_back(world: World) -> None:
    answer = world.ask("GET", "/v1/away")
    refused(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_our_own_fault_tells_nothing_of_itself(world: World, caplog: pytest.LogCaptureFixture) -> None:
    answer = world.ask("GET", "/v1/fail")
    refused(answer, 500, "internal")
    assert "secret" not in answer.text
    assert [record.getMessage() for record in caplog.records if record.name.startswith("emdr")] == [
        "a REST request failed"
    ]


def test_answers_are_counted_by_their_status(world: World) -> None:
    world.ask("GET", "/v1/double")
    world.ask("GET", "/v1/nothing-here")
    world.ask("DELETE", "/v1/double")
    text = world.metrics.render().decode()
    assert 'emdr_rest_answers_total{status="2xx"} 1.0' in text
    assert 'emdr_rest_answers_total{status="4xx"} 1.0' in text
    assert 'emdr_rest_seconds_count{group="safety"} 1.0' in text
