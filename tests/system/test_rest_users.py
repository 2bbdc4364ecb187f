"""A person's records over REST: all of them can be had, and an erasure leaves nothing, wherever one looks."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from emdr_stream.alerts.journal import Journal
from emdr_stream.alerts.legacy import SINKS
from emdr_stream.broker.base import AlertEntry
from emdr_stream.embedded.folder import running_stores
from emdr_stream.store.personal import ELSEWHERE, PERSONAL_TABLES
from tests.system.rest import Answer, Asked, ask, post
from tests.system.service import Service, run_command, service
from tests.system.sockets import JSON, of_type, stream, watch

pytestmark = [pytest.mark.system, pytest.mark.anyio]
CALM = {"valence": 0.1, "arousal": -0.1, "attention": 0.8}


@pytest.fixture(scope="module")
def served() -> Iterator[Service]:
    """Two workers, so that a session may live where the request does not come."""
    with service("--workers", "2", record_dir="recordings", baseline_s="5") as running:
        yield running


async def asked(served: Service, method: str, path: str, token: str) -> Answer:
    return await asyncio.to_thread(ask, served, Asked(method, path), token)


async def lived(served: Service, user: str) -> list[str]:
    """A person leaves traces everywhere; gives the ids of their sessions, the last of which is still open."""
    therapist = served.token("therapist", "t-1", clients=[user])
    sessions = []
    for _ in range(2):
        async with stream(served, user, subprotocol=JSON) as client, watch(served, user) as console:
            sessions.append(session_id := client.of("welcome")[0]["session_id"])
            for number in range(3):
                await client.send("sample", ts=1_000 * (number + 1), dimensions=CALM)
                await asyncio.sleep(0.02)
            await client.send("set", action="start", set_no=1)
            await client.send("rating", scale="sud", value=7.0)
            await client.send("stop")
            alert = await console.wait_for(of_type("alert", kind="client_stop"))
            await console.send("ack", id="ack", alert_id=alert["alert_id"], note=f"spoke with {user}")
            await console.wait_for(of_type("done", re="ack"))
            for path, more in (
                ("/v1/safety/alert", {"text": f"{user} is tired"}),
                ("/v1/personalization/adapt", {"config": {"speed": 0.8}}),
            ):
                body = {"session_id": session_id, **more}
                answer = await asyncio.to_thread(post, served, path, body, therapist, Idempotency_Key=session_id)
                assert answer.status in {200, 422}, "a key belongs to its first request"
    # A door that they may not use, and somebody who tried theirs.
    stranger = served.token("therapist", "t-2", clients=["nobody"])
    for token, path in ((served.token("client", user), "/v1/sessions"), (stranger, f"/v1/users/{user}/export")):
        await asyncio.to_thread(ask, served, Asked("GET", path), token)
    return sessions


async def test_everything_that_is_kept_can_be_had(served: Service) -> None:
    sessions = await lived(served, "exported")
    await lived(served, "somebody-else")
    await asyncio.sleep(1.5)
    token = served.token("service", "back-end")
    answer = await asked(served, "GET", "/v1/users/exported/export", token)
    first, *rows, last = answer.lines
    assert first["type"] == "export" and first["sessions"] == 2
    assert last == {"type": "end", "rows": len(rows)}
    tables = {row["table"] for row in rows}
    assert tables >= {"users", "sessions", "seconds", "sets", "ratings", "control_events", "alerts", "audit_log"}
    assert {row["row"]["session_id"] for row in rows if row["table"] == "seconds"} == set(sessions)
    assert [row["row"]["fields"]["value"] for row in rows if row["table"] == "ratings"] == [7.0, 7.0]
    assert "somebody-else" not in answer.body.decode()


async def test_an_erasure_leaves_nothing_of_the_person_and_the_chain_holds(served: Service) -> None:
    other = await lived(served, "kept")
    user = "p-4711-erased"
    sessions = await lived(served, user)
    await asyncio.sleep(1.5)
    before = await everything(served)
    assert all(any(name in text for text in before.values()) for name in (user, *sessions, "kept", *other))
    anchor = verified(served)
    async with stream(served, user, subprotocol=JSON) as client:
        live_id = client.of("welcome")[0]["session_id"]
        await client.send("sample", ts=1_000, dimensions=CALM)
        answer = await asked(served, "DELETE", f"/v1/users/{user}", served.token("service", "back-end"))
        assert answer.status == 200, answer.body
        ended = await client.wait_for("ended")
        assert "erased" in ended["reason"]
    told = answer.json
    assert told["sessions"] == 3 and told["rows"]["sessions"] == 3 and told["audit_entries"] > 0
    assert told["unreachable"] == 0
    names = (user, *sessions, live_id)
    deadline = time.monotonic() + 15
    while (found := places(left := await everything(served), names)) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.25)  # other processes forget
    assert not found
    assert all(any(name in text for text in left.values()) for name in ("kept", *other)), "others' records stay"
    assert user not in served.log
    after = verified(served, anchor)
    assert after["entries"] > anchor["entries"]


async def test_what_lay_with_a_worker_that_was_down_is_told_to_nobody_when_it_starts_and_goes() -> None:
    """A journal with an alert that was shipped nowhere, and a recording, on the disk of a worker that heard nothing."""
    with service(record_dir="recordings") as served:
        user = "was-erased"
        (first, second) = await lived(served, user)
        recording = served.folder / "recordings" / f"{second}.jsonl"
        answer = await asked(served, "DELETE", f"/v1/users/{user}", served.token("service", "back-end"))
        assert answer.status == 200 and answer.json["sessions"] == 2
        served.terminate()
        assert served.wait() == 0
        recording.write_text(json.dumps({"session_id": second, "user": user}))
        journal = Journal(served.data_dir / "journal-1", SINKS)
        journal.open()
        body = {"alert_id": f"{first}.a9001", "session_id": first, "state": "raised", "report": user}
        now_ms = int(time.time() * 1_000)
        journal.append([AlertEntry(first, user, 9_001, 1, now_ms, json.dumps(body).encode())])
        journal.close()
        served.start()
        async with watch(served, user) as console:
            names = (user, first, second)
            deadline = time.monotonic() + 15
            while found := places(await everything(served), names):
                assert time.monotonic() < deadline, found
                await asyncio.sleep(0.25)
            assert console.of("alert") == []


async def test_an_erasure_is_itself_in_the_audit_log_and_names_nobody(served: Service) -> None:
    await lived(served, "named")
    await asyncio.sleep(1.0)
    await asked(served, "DELETE", "/v1/users/named", served.token("service", "back-end-7"))
    connection = await asyncpg.connect(served.database_url)
    rows = [json.loads(r["body"]) for r in await connection.fetch("select body from audit_log order by id")]
    await connection.close()
    (deed,) = [row for row in rows if row.get("by") == "back-end-7"]
    assert deed["action"] == "user.erase" and deed["entries"] and "named" not in json.dumps(deed)


async def test_commands_reach_a_session_whichever_worker_the_request_comes_to(served: Service) -> None:
    """Each request has a connection of its own, which the kernel gives to one worker or the other."""
    token = served.token("therapist", "t-1", clients=["somewhere"])
    async with stream(served, "somewhere", subprotocol=JSON) as client, watch(served, "somewhere") as console:
        session_id = client.of("welcome")[0]["session_id"]
        for number in range(12):
            config = {"colors": {"light": f"c{number}"}}
            for path, more in (
                ("/v1/personalization/adapt", {"config": config}),
                ("/v1/safety/alert", {"text": f"report {number}"}),
            ):
                answer = await asyncio.to_thread(post, served, path, {"session_id": session_id, **more}, token)
                assert answer.status == 200, answer.body
            await client.wait_for(of_type("pattern.adapt", config=config))
            await console.wait_for(of_type("alert", report=f"report {number}"))
    connection = await asyncpg.connect(served.database_url)
    async with asyncio.timeout(10):
        while True:
            rows = await connection.fetch("select body from audit_log where session_id = $1 order by id", session_id)
            deeds = [json.loads(row["body"]) for row in rows]
            if len(deeds) >= 24:
                break
            await asyncio.sleep(0.1)
    await connection.close()
    assert {(deed["action"], deed["by"]) for deed in deeds} == {("config.set", "t-1"), ("alert.report", "t-1")}
    assert len(deeds) == 24


async def test_a_person_of_whom_nothing_is_kept_is_erased_in_peace(served: Service) -> None:
    answer = await asked(served, "DELETE", "/v1/users/never-seen", served.token("service", "back-end"))
    assert answer.status == 200 and answer.json["sessions"] == 0


async def test_every_table_with_a_person_in_it_is_exported_and_erased(served: Service) -> None:
    connection = await asyncpg.connect(served.database_url)
    found = await connection.fetch(
        "select distinct table_name from information_schema.columns join pg_class on relname = table_name"
        " where table_schema = 'public' and column_name in ('user_id', 'session_id') and not relispartition"
    )
    await connection.close()
    assert {row["table_name"] for row in found} == {table.name for table in PERSONAL_TABLES} | ELSEWHERE


# helpers --------------------------------------------------------------------------------------------------------------


def verified(served: Service, anchor: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `audit verify` says; the chain is intact, and meets what was noted before."""
    arguments = ["audit", "verify", "--json", "--data-dir", str(served.data_dir)]
    if anchor is not None:
        arguments += ["--expect-count", str(anchor["entries"]), "--expect-hash", anchor["newest_hash"]]
    done = run_command(*arguments, folder=served.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def places(texts: dict[str, str], names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Where any of these names stands."""
    return [(place, name) for place, text in texts.items() for name in names if name in text]


async def everything(served: Service) -> dict[str, str]:
    """All that the service keeps, as texts: the rows of every table, every key of Redis with its value, every file."""
    stores = running_stores(served.data_dir)
    assert stores is not None
    return {
        **await rows_of(stores.database_url),
        **await keys_of(stores.redis_url),
        **files_of(served.data_dir, skip={"postgres", "valkey"}),
        **files_of(served.folder / "recordings"),
    }


async def rows_of(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        texts = {}
        for (name,) in tables:
            found = await connection.fetch(f"select t::text as line, to_jsonb(t)::text as json from {name} t")
            texts[f"table {name}"] = "\n".join(f"{row['line']} {row['json']} {unhexed(row['json'])}" for row in found)
        return texts
    finally:
        await connection.close()


def unhexed(text: str) -> str:
    """Bytes as the database writes them, read again: payloads of alerts, kept answers."""
    values = json.loads(text).values()
    return " ".join(
        bytes.fromhex(value[2:]).decode(errors="replace")
        for value in values
        if isinstance(value, str) and value.startswith("\\x")
    )


async def keys_of(url: str) -> dict[str, str]:
    redis: Any = Redis.from_url(url, protocol=2)
    try:
        texts = {}
        async for key in redis.scan_iter(count=1_000):
            kind = await redis.type(key)
            if kind == b"none":
                continue  # it went since
            read = {
                b"string": redis.get,
                b"hash": redis.hgetall,
                b"set": redis.smembers,
                b"zset": lambda k: redis.zrange(k, 0, -1),
                b"stream": redis.xrange,
            }[kind]
            texts[f"key {key.decode()}"] = f"{key!r} {await read(key)!r}"
        return texts
    finally:
        await redis.aclose()


def files_of(folder: Path, skip: frozenset[str] | set[str] = frozenset()) -> dict[str, str]:
    """Journals, spills, recordings: every file but the stores' own, which keep for a while what is deleted in them."""
    return {
        f"file {path.relative_to(folder)}": path.read_bytes().decode(errors="replace")
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in skip
    }
