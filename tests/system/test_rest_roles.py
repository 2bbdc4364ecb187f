"""Who may ask what of the REST API: every role and every bad token at every route, generated from the operations."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from emdr_stream.domain import Role
from emdr_stream.rest.operation import Operation
from emdr_stream.rest.operations import OPERATIONS
from tests.rest_requests import NOBODYS, OF_PROPOSALS, REQUESTS, Person
from tests.system.authorisation_world import forged
from tests.system.rest import Asked, ask
from tests.system.service import Service, service
from tests.system.sockets import JSON, stream

pytestmark = [pytest.mark.system, pytest.mark.anyio]

KNOCKING = ("client", "another client", "own therapist", "other therapist", "service", "service of another")
_STRANGERS = ("none", "forged", "expired")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with recordings, fast enough for a matrix."""
    with service(record_dir="recordings", rest_rate_hz="10000") as running:
        yield running


def token_of(running: Service, who: str, user: str) -> str | None:
    """Whoever knocks, seen from the person whose session it is."""
    tokens = {
        "client": lambda: running.token("client", user),
        "another client": lambda: running.token("client", "somebody-else"),
        "own therapist": lambda: running.token("therapist", "t-own", clients=[user]),
        "other therapist": lambda: running.token("therapist", "t-other", clients=["somebody-else"]),
        "service": lambda: running.token("service", "back-end"),
        "service of another": lambda: running.token("service", "back-end", clients=["somebody-else"]),
        "none": lambda: None,
        "forged": lambda: forged(running.token("service", "back-end")),
        "expired": lambda: running.token("service", "back-end", lifetime_s=-60),
    }
    found: str | None = tokens[who]()  # type: ignore[no-untyped-call]
    return found


def wanted(operation: Operation, who: str) -> int:
    """The status that the declaration promises."""
    if who in _STRANGERS:
        return 401
    role = {"client": Role.CLIENT, "another client": Role.CLIENT}.get(who)
    role = role or (Role.SERVICE if who.startswith("service") else Role.THERAPIST)
    if role not in operation.roles:
        return 403
    whose_own = who in {"client", "own therapist", "service"}
    return 200 if whose_own or operation.name in NOBODYS else 404


async def proposed(running: Service, person: Person) -> Person:
    """The same person, with a proposal for their next set."""
    optimize = REQUESTS["personalization.optimize"](person)
    answer = await asyncio.to_thread(ask, running, optimize, running.token("service", "back-end"))
    return replace(person, decision_id=answer.json["decision_id"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_every_role_gets_what_the_declaration_says(recorded: Service, operation: Operation) -> None:
    user = f"matrix-{operation.name}"
    async with stream(recorded, user, subprotocol=JSON) as client:
        person = Person(user, client.of("welcome")[0]["session_id"])
        if operation.name in OF_PROPOSALS:
            person = await proposed(recorded, person)
        request: Asked = REQUESTS[operation.name](person)
        # The row of a session and its recording are written behind its back.
        await client.send("sample", ts=1, dimensions={"valence": 0.1, "arousal": 0.0, "attention": 0.8})
        await asyncio.sleep(0.6)
        got = {}
        # Whoever is refused comes first: what acts is done by the last ones.
        for who in (*_STRANGERS, *sorted(KNOCKING, key=lambda who: -wanted(operation, who))):
            answer = await asyncio.to_thread(ask, recorded, request, token_of(recorded, who, user))
            got[who] = answer.status
            if answer.status >= 400:
                assert answer.headers["content-type"] == "application/problem+json", answer
                assert answer.json["status"] == answer.status
    assert got == {who: wanted(operation, who) for who in (*_STRANGERS, *KNOCKING)}


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.name not in NOBODYS], ids=lambda o: o.name)
async def test_what_is_none_of_theirs_is_told_as_what_does_not_exist(recorded: Service, operation: Operation) -> None:
    """A therapist who tries ids learns nothing by the answers."""
    user = f"hidden-{operation.name}"
    token = recorded.token("therapist", "t-other", clients=["somebody-else"])
    async with stream(recorded, user, subprotocol=JSON) as client:
        there = Person(user, client.of("welcome")[0]["session_id"])
        if operation.name in OF_PROPOSALS:
            there = await proposed(recorded, there)
        absent = Person("nobody-at-all", "s0123456789abcdef")
        answers = [
            await asyncio.to_thread(ask, recorded, REQUESTS[operation.name](person), token)
            for person in (there, absent)
        ]
    (foreign, missing) = ((answer.status, answer.json if answer.body else None) for answer in answers)
    assert foreign == missing
