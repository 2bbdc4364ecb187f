"""schemathesis over the whole OpenAPI document against the running service with its real stores.

No server error, no answer that is not documented, nothing wrong that is taken, no route without a token.

That nothing right is refused cannot be asked of it: some rules join fields, such as a scale and its range.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from emdr_stream import __version__
from emdr_stream.rest.openapi import openapi_document
from emdr_stream.rest.operation import NDJSON
from emdr_stream.rest.operations import OPERATIONS
from tests.system.rest import get
from tests.system.service import Service, service
from tests.system.sockets import JSON, stream

pytestmark = pytest.mark.system
_EXAMPLES = int(os.environ.get("EMDR_SCHEMA_EXAMPLES", "6"))
USER = "u-schema"
_SLOW_EXAMPLES = 300
DOCUMENT = openapi_document(__version__, OPERATIONS)
schema = schemathesis.openapi.from_dict(DOCUMENT)


@schemathesis.serializer(NDJSON)
def lines(_: Any, value: Any) -> bytes:
    """A text as it is: lines, most of them none that can be read."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def served() -> Iterator[Service]:
    with service(rest_rate_hz="10000", baseline_s="5", record_dir="recordings") as running:
        yield running


@pytest.fixture(scope="module")
def live(served: Service) -> Iterator[str]:
    """The id of a session that lives as long as the tests."""
    ready, over = threading.Event(), threading.Event()
    told: list[str] = []

    async def keep() -> None:
        async with stream(served, USER, subprotocol=JSON) as client:
            told.append(client.of("welcome")[0]["session_id"])
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(keep()))
    thread.start()
    assert ready.wait(10)
    yield told[0]
    over.set()
    thread.join()


def test_the_service_gives_out_the_document_that_is_tested(served: Service) -> None:
    answer = get(served, "/v1/openapi.json")
    assert answer.status == 200 and answer.json == DOCUMENT


def seeded(examples: int) -> Any:
    """The same examples in each run."""
    return settings(
        max_examples=examples, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )


@schema.parametrize()
@seeded(_EXAMPLES)
def test_the_service_keeps_its_own_contract(case: Any, served: Service, live: str) -> None:
    check(case, served, live)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@schema.parametrize()
@seeded(_SLOW_EXAMPLES)
def test_the_service_keeps_its_own_contract_for_long(case: Any, served: Service, live: str) -> None:
    check(case, served, live)


def check(case: Any, served: Service, live: str) -> None:
    """Ask, and hold the answer against the document; every second right request is about the session that lives."""
    is_right = case.meta is None or case.meta.generation.mode.is_positive
    if is_right and isinstance(case.body, dict) and len(case.body.get("session_id") or "") % 2:
        case.body = {**case.body, "session_id": live}
    excluded = [positive_data_acceptance]
    if case.media_type == NDJSON:
        # A line that cannot be read is told of in its own line of the answer.
        excluded.append(negative_data_rejection)
    token = served.token("service", "back-end")
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{served.port}",
        headers={"Authorization": f"Bearer {token}"},
        excluded_checks=excluded,
    )
