"""Who may do what: every cell of the tables in tests/authorisation_table.py, asked of one real server."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.authorisation_table import COLUMNS, ORIGINS, TABLES, Table
from tests.system.authorisation_world import Cell, forged, knocked, played
from tests.system.service import Service, run_command, service
from tests.system.sockets import MSGPACK, PATIENCE_S, Message, SocketClient, of_type, resume_of, stream

pytestmark = [pytest.mark.system, pytest.mark.anyio]

ROWS = [pytest.param(table, row, id=f"{table.path} {row}") for table in TABLES for row in table.rows]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Service]:
    """One service for all cells."""
    with service(grace_ms="5000") as running:
        yield running


@pytest.mark.parametrize(("table", "row"), ROWS)
async def test_every_token_gets_what_the_table_says(guarded: Service, table: Table, row: str) -> None:
    wanted = {column: outcome for column, outcome in table.rows[row].items() if outcome != "-"}
    async with asyncio.TaskGroup() as group:
        asked = {
            column: group.create_task(played(Cell(guarded, table.path, row, column)))
            for column in COLUMNS
            if column in wanted
        }
    assert {column: task.result() for column, task in asked.items()} == wanted


# origins --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [table.path for table in TABLES])
@pytest.mark.parametrize("origin", ORIGINS)
async def test_an_origin_is_judged_before_the_upgrade(guarded: Service, path: str, origin: str) -> None:
    ours = f"http://127.0.0.1:{guarded.port}"
    said = {
        "none": [],
        "own": [ours],
        "foreign": ["https://elsewhere.example"],
        "other port": ["http://127.0.0.1:1"],
        "null": ["null"],
        "twice": [ours, ours],
    }[origin]
    headers = [("Origin", value) for value in said]
    try:
        async with connect(
            f"ws://127.0.0.1:{guarded.port}{path}", subprotocols=[Subprotocol(MSGPACK)], additional_headers=headers
        ):
            answer = "ok"
    except InvalidStatus as refused:
        answer = str(refused.response.status_code)
    assert answer == ORIGINS[origin][0]


# coming back ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("whose", "code"), [("nobody's", 4500), ("another user's", 4504), ("expired", 4401), ("of another sid", 4503)]
)
async def test_a_resume_token_opens_nothing_without_its_users_own_token(
    guarded: Service, whose: str, code: int
) -> None:
    user = f"returning-{whose.replace(' ', '-').replace(chr(39), '')}"
    async with stream(guarded, user) as client:
        claim = resume_of(client)
        tokens = {
            "nobody's": {},
            "another user's": {"token": guarded.token("client", "somebody-else")},
            "expired": {"token": guarded.token("client", user, lifetime_s=-60)},
            "of another sid": {"token": guarded.token("client", user, sid="another-session")},
        }
        async with knocked(guarded, "/v1/stream", source="emotion", **tokens[whose], **claim) as thief:
            assert await thief.wait_closed() == code
        await client.send("ping", id="still", t0=1.0)
        await client.wait_for(of_type("pong", re="still"))
    async with stream(guarded, user, **claim) as back:
        assert back.of("welcome")[0]["resumed"] is True


async def test_a_renewal_that_is_refused_ends_the_socket_and_leaves_the_session_to_its_user(guarded: Service) -> None:
    async with stream(guarded, "renewing") as client:
        await client.send("auth", token=forged(guarded.token("client", "renewing")))
        assert await client.wait_closed() == 4500
    async with stream(guarded, "renewing", **resume_of(client)) as back:
        assert back.of("welcome")[0]["resumed"] is True


# what is written down -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def audit_log(guarded: Service) -> AsyncIterator[Any]:
    """Gives a function that reads the rows about one person, oldest first; without what they were asked to repeat."""
    connection = await asyncpg.connect(guarded.database_url)

    async def rows(by: str) -> list[dict[str, Any]]:
        # They are numbered as they arrive; what had to wait for a slow database comes later.
        found = await connection.fetch("select session_id, user_id, body from audit_log order by ts_ms, id")
        told = [{**msgspec.json.decode(r["body"]), "at": (r["session_id"], r["user_id"])} for r in found]
        return [row for row in told if row.get("by") == by and row.get("code") != "internal"]

    try:
        yield rows
    finally:
        await connection.close()


async def written(rows: Any, by: str, count: int) -> list[dict[str, Any]]:
    """The rows about a person, once there are so many: records are written behind."""
    async with asyncio.timeout(10):
        while len(found := await rows(by)) < count:  # noqa: ASYNC110 - another process writes them
            await asyncio.sleep(0.02)
    assert len(found) == count
    return list(found)


async def refused(console: SocketClient, kind: str, fields: Message, number: int) -> None:
    """Ask until it is refused for good: on a busy machine the database is late, and an `ack` is to be said again."""
    async with asyncio.timeout(PATIENCE_S):
        code = "internal"
        while code == "internal":
            said = len(console.messages)
            await console.send(kind, id=number, **fields)
            code = (await console.wait_for(of_type("error", re=number), after=said))["code"]


async def test_what_a_therapist_may_not_do_is_in_the_audit_log_with_who_tried_it(guarded: Service) -> None:
    async with stream(guarded, "watched") as client:
        await client.send("stop")
        alert_id = (await client.wait_for("control.pause"))["alert_id"]
        session_id = client.of("welcome")[0]["session_id"]
        token = guarded.token("therapist", "t-curious", clients=["nobody"])
        named = {"session_id": session_id, "reason": "curious"}
        async with knocked(guarded, "/v1/watch", token=token) as console:
            await console.wait_for("welcome")
            for number, (kind, fields) in enumerate(
                (
                    ("subscribe", {"sessions": [session_id]}),
                    ("ack", {"alert_id": alert_id}),
                    ("ack", {"alert_id": "no alert at all"}),
                    ("ack", {"alert_id": f"{session_id}-over.a1"}),
                    ("control.pause", named),
                    ("control.resume", {**named, "session_id": "there-is-none"}),
                    ("session.end", named),
                    ("config.set", {"session_id": session_id, "thresholds": {"risk": 0.9}}),
                )
            ):
                await refused(console, kind, fields, number)
            await console.send("auth", token=guarded.token("therapist", "t-other", clients=["*"]))
            assert await console.wait_closed() == 4503
        async with audit_log(guarded) as rows:
            found = await written(rows, "t-curious", 9)
    assert all(row["refused"] and row["role"] == "therapist" for row in found)
    about = [(row["action"], row["code"], row["at"]) for row in found]
    theirs = (session_id, "watched")
    assert about == [
        ("subscribe", "unknown_session", ("", "")),
        ("ack", "invalid_field", theirs),
        ("ack", "invalid_field", ("", "")),
        ("ack", "invalid_field", (f"{session_id}-over", "")),
        ("control.pause", "unknown_session", theirs),
        ("control.resume", "unknown_session", ("there-is-none", "")),
        ("session.end", "unknown_session", theirs),
        ("config.set", "unknown_session", theirs),
        ("auth", "forbidden", ("", "")),
    ]


async def test_a_client_at_the_wrong_door_is_in_the_audit_log_and_a_stranger_is_not(guarded: Service) -> None:
    token = guarded.token("client", "c-curious")
    async with stream(guarded, "visited") as client:
        claim = resume_of(client)
        relaxed = {"safety_thresholds": {"crisis_pause": 0.9}}
        doors: tuple[tuple[str, dict[str, Any]], ...] = (
            ("/v1/watch", {}),
            ("/v1/stream", {"source": "emotion", **claim}),
            ("/v1/stream", {"source": "emotion", "session_id": claim["session_id"]}),
            ("/v1/stream", {"source": "emotion", "user": "visited"}),
        )
        for path, hello in doors:
            async with knocked(guarded, path, token=token, **hello) as knocking:
                await knocking.wait_closed()
            async with knocked(guarded, path, token=forged(token), **hello) as stranger:
                await stranger.wait_closed()
        async with stream(guarded, "c-curious", config=relaxed) as own:
            await own.wait_for(of_type("error", code="forbidden"))
            own_id = own.of("welcome")[0]["session_id"]
        async with audit_log(guarded) as rows:
            found = await written(rows, "c-curious", 5)
    assert all(row["refused"] and row["action"] == "hello" for row in found)
    assert [(row["code"], row["at"][0]) for row in found] == [
        ("forbidden", ""),
        ("unknown_session", claim["session_id"]),
        ("forbidden", claim["session_id"]),
        ("forbidden", ""),
        ("forbidden", own_id),
    ]


def test_the_chain_over_all_of_this_is_intact_while_the_service_runs_and_after(guarded: Service) -> None:
    arguments = ("audit", "verify", "--json", "--data-dir", str(guarded.data_dir))
    beside = run_command(*arguments, folder=guarded.folder)
    assert (beside.returncode, beside.stderr) == (0, "")
    told = json.loads(beside.stdout)
    assert told["intact"] is True and told["entries"] > 0
    guarded.terminate()
    guarded.wait()
    anchor = ("--expect-count", str(told["entries"]), "--expect-hash", told["newest_hash"])
    after = run_command(*arguments, *anchor, folder=guarded.folder)
    guarded.start()
    assert after.returncode == 0, after.stderr
