"""REST while a store hangs: whoever asks is told within its bound, and a live session is commanded all the same."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.system.hanging import hung
from tests.system.rest import Asked, ask, post
from tests.system.service import Service, service
from tests.system.sockets import JSON, of_type, stream, watch

pytestmark = [pytest.mark.alone, pytest.mark.system, pytest.mark.anyio]
BOUND_S = 5.0
"""A question is bounded by a second; the rest is room for a machine that is busy."""


@pytest.fixture(scope="module")
def served() -> Iterator[Service]:
    with service() as running:
        yield running


async def test_with_a_database_that_hangs_questions_are_bounded_and_the_session_still_obeys(served: Service) -> None:
    token = served.token("therapist", "t-1", clients=["hung"])
    async with stream(served, "hung", subprotocol=JSON) as client, watch(served, "hung") as console:
        session_id = client.of("welcome")[0]["session_id"]
        async with hung(served, "postgres"):
            for path in ("/v1/sessions", f"/v1/sessions/{session_id}/timeline", "/v1/users/hung/export"):
                began = time.monotonic()
                answer = await asyncio.to_thread(ask, served, Asked("GET", path), token)
                assert (answer.status, answer.json["code"]) == (503, "unavailable"), path
                assert int(answer.headers["retry-after"]) > 0
                assert time.monotonic() - began < BOUND_S
            body = {"session_id": session_id, "text": "without the database"}
            answer = await asyncio.to_thread(post, served, "/v1/safety/alert", body, token)
            assert answer.status == 200
            await console.wait_for(of_type("alert", report="without the database"))
            live = await asyncio.to_thread(ask, served, Asked("GET", f"/v1/sessions/{session_id}"), token)
            assert live.status == 200 and live.json["live"]["session_id"] == session_id and live.json["record"] is None
            keyed = await asyncio.to_thread(
                post, served, "/v1/safety/alert", {**body, "text": "with a key"}, token, Idempotency_Key="k"
            )
            assert keyed.status == 503, "what cannot be promised is not done"
            await client.send("ping", id="p", t0=1.0)
            await client.wait_for(of_type("pong", re="p"))
        assert not [m for m in console.of("alert") if m.get("report") == "with a key"]
