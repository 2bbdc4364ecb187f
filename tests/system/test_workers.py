"""Several workers on one port: any of them serves any session, and a dead one is missed by nobody for long."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.system.scenes import ask_to_resume
from tests.system.service import Service, eventually, service
from tests.system.sockets import NotSeen, SocketClient, of_type, resume_of, stream, watch

pytestmark = [pytest.mark.system, pytest.mark.anyio]
WORKERS = 3
BACK_S = 10.0


@pytest.fixture(scope="module")
def clinic(plain_models: Path) -> Iterator[Service]:
    with service("--workers", str(WORKERS), model_dir=str(plain_models)) as running:
        yield running


def workers_of(clinic: Service) -> list[int]:
    """The processes of the workers, children of the supervisor."""
    assert clinic.process is not None
    children = Path(f"/proc/{clinic.process.pid}/task/{clinic.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"emdr_stream.cli.worker" in command_of(pid)]


def command_of(pid: str) -> bytes:
    """The command line of a process; empty when it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def worker_of(clinic: Service, client: SocketClient) -> int:
    """The process at the other end of a client's socket."""
    found: list[int] = []

    def look() -> bool:
        found[:] = _holders(clinic, client.connection.local_address[1])
        return bool(found)

    assert eventually(look, 5.0), "no worker has this socket"
    return found[0]


def _holders(clinic: Service, remote_port: int) -> list[int]:
    """Workers with an established connection from this port, as the kernel lists them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    wanted = {f"socket:[{row[9]}]" for row in rows if row[2].endswith(f":{remote_port:04X}") and row[3] == "01"}
    return [pid for pid in workers_of(clinic) if wanted & set(_open_files(pid))]


def _open_files(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                yield os.readlink(descriptor)


async def all_up(clinic: Service) -> None:
    """Every worker answers to a scrape."""
    assert await asyncio.to_thread(eventually, lambda: len(scraped(clinic)) == WORKERS, 30.0)


def scraped(clinic: Service) -> set[str]:
    families = text_string_to_metric_families(clinic.get("/metrics")[2].decode())
    return {sample.labels["worker"] for family in families for sample in family.samples}


async def elsewhere(clinic: Service, stack: AsyncExitStack, pid: int, user: str) -> SocketClient:
    """A console at another worker than `pid`."""
    for _ in range(40):
        console = await stack.enter_async_context(watch(clinic, user))
        if worker_of(clinic, console) != pid:
            return console
    raise AssertionError("every console came to the same worker")


async def come_back(clinic: Service, stack: AsyncExitStack, user: str, client: SocketClient) -> SocketClient:
    """As a client does: again and again, until somebody takes it."""
    async with asyncio.timeout(BACK_S):
        while True:
            try:
                return await stack.enter_async_context(stream(clinic, user, **resume_of(client)))
            except (InvalidStatus, InvalidMessage, NotSeen, OSError):
                await asyncio.sleep(0.1)  # a worker that is stopping, or none yet


async def test_one_scrape_tells_of_every_worker(clinic: Service) -> None:
    await all_up(clinic)
    assert scraped(clinic) == {"0", "1", "2"}
    assert f"with {WORKERS} workers" in clinic.banner


async def test_a_console_at_any_worker_sees_acknowledges_and_commands(clinic: Service) -> None:
    await all_up(clinic)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(stream(clinic, "across"))
        console = await elsewhere(clinic, stack, worker_of(clinic, client), "across")
        await client.send("stop")
        alert = await console.wait_for(of_type("alert", kind="client_stop"))
        await console.send("ack", id="ack", alert_id=alert["alert_id"])
        assert await console.wait_for(of_type("done", re="ack"))
        await console.wait_for(of_type("alert", alert_id=alert["alert_id"], state="acknowledged"))
        await console.send("control.resume", id="go", session_id=alert["session_id"], reason="we spoke")
        assert await console.wait_for(of_type("done", re="go"))
        await client.wait_for("control.resume")


async def test_a_console_at_another_worker_is_known_to_attend_and_reads_the_records(clinic: Service) -> None:
    await all_up(clinic)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(stream(clinic, "looked-at"))
        session_id = client.of("welcome")[0]["session_id"]
        console = await elsewhere(clinic, stack, worker_of(clinic, client), "looked-at")
        await console.send("attend", id="here", session_id=session_id)
        assert await console.wait_for(of_type("done", re="here"))
        await console.wait_for(of_type("state", session_id=session_id, attended_by=["t-1"]))
        await client.send("set", id="set", action="start", set_no=1)
        await client.send("rating", id="sud", scale="sud", value=4)
        await client.send("stop", id="stop")
        alert = await console.wait_for(of_type("alert", kind="client_stop"))
        # What happened is written behind: it is in the records a moment later.
        for asked in range(50):
            await console.send("history", id=asked, session_id=session_id, curve_s=60)
            past = await console.wait_for(of_type("history", re=asked))
            kinds = {event["kind"] for event in past["events"]}
            if {"set", "rating", "control"} <= kinds and past["alerts"]:
                break
            await asyncio.sleep(0.1)
        assert {"set", "rating", "control"} <= kinds, past
        assert past["session_id"] == session_id and past["complete"] is True
        assert [body["alert_id"] for body in past["alerts"]] == [alert["alert_id"]]
        # Who may not see the client may neither attend nor read there either.
        stranger = await elsewhere(clinic, stack, worker_of(clinic, client), "somebody-else")
        for kind in ("attend", "history"):
            await stranger.send(kind, id=kind, session_id=session_id)
            assert (await stranger.wait_for(of_type("error", re=kind)))["code"] == "unknown_session"


async def test_a_killed_workers_session_is_resumed_paused_on_another_and_the_worker_comes_back(
    clinic: Service,
) -> None:
    await all_up(clinic)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(stream(clinic, "killed"))
        victim = worker_of(clinic, client)
        console = await elsewhere(clinic, stack, victim, "killed")
        await client.send("stop", id="stop")
        raised = await console.wait_for(of_type("alert", kind="client_stop"))
        os.kill(victim, signal.SIGKILL)
        await client.wait_closed()
        back = await stack.enter_async_context(stream(clinic, "killed", **resume_of(client)))
        welcome = back.of("welcome")[0]
        assert (welcome["resumed"], welcome["snapshot"]["status"]) == (True, "paused")
        assert welcome["epoch"] > client.of("welcome")[0]["epoch"]
        assert (await ask_to_resume(back))["type"] == "control.resume"
        assert raised["session_id"] == welcome["session_id"]
    await all_up(clinic)
    assert victim not in workers_of(clinic)


async def test_a_second_socket_takes_over_from_whatever_worker_and_the_first_closes_with_4409(clinic: Service) -> None:
    await all_up(clinic)
    crossed = 0
    async with AsyncExitStack() as stack:
        newest = await stack.enter_async_context(stream(clinic, "hopping"))
        for _ in range(20):
            if crossed == 2:
                break
            was_at = worker_of(clinic, newest)
            older, newest = newest, await stack.enter_async_context(stream(clinic, "hopping", **resume_of(newest)))
            crossed += worker_of(clinic, newest) != was_at
            assert await older.wait_closed() == 4409
    assert crossed == 2


async def test_an_alert_of_a_dead_worker_whose_client_does_not_return_is_followed_up(clinic: Service) -> None:
    """Its timers were the dead worker's: another one adopts the session and lets them run on."""
    await all_up(clinic)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(stream(clinic, "orphan"))
        console = await elsewhere(clinic, stack, worker_of(clinic, client), "orphan")
        os.kill(worker_of(clinic, client), signal.SIGKILL)
        await client.wait_closed()
        told = await console.wait_for(of_type("alert", kind="client_disconnected"), within_s=15.0)
        assert told["session_id"] == client.of("welcome")[0]["session_id"]


async def test_a_worker_that_was_stopped_and_wakes_up_changes_nothing(clinic: Service) -> None:
    await all_up(clinic)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(stream(clinic, "sleeper"))
        sleeper = worker_of(clinic, client)
        console = await elsewhere(clinic, stack, sleeper, "sleeper")
        await client.send("ping", id="saved", t0=1.0)
        await client.wait_for("pong")
        await asyncio.to_thread(eventually, lambda: False, 1.0)  # the snapshot and the pulse have left by then
        os.kill(sleeper, signal.SIGSTOP)
        try:
            back = await stack.enter_async_context(stream(clinic, "sleeper", **resume_of(client)))
            assert (await ask_to_resume(back))["type"] == "control.resume"
            # Past its lease, and past the silence that would pause a session.
            await asyncio.to_thread(eventually, lambda: False, 9.0)
        finally:
            os.kill(sleeper, signal.SIGCONT)
        seen = len(console.messages)
        await client.wait_closed(within_s=15.0)
        epoch = back.of("welcome")[0]["epoch"]
        assert all(message.get("epoch", epoch) == epoch for message in console.messages[seen:])
        late = [m for m in client.messages if m["type"] in {"control.pause", "control.resume", "pattern.adapt"}]
        assert late == []


async def test_sighup_restarts_the_workers_in_turn_and_every_client_comes_back(clinic: Service) -> None:
    await all_up(clinic)
    before = set(workers_of(clinic))
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(stream(clinic, f"rolling-{n}")) for n in range(6)]
        assert clinic.process is not None
        clinic.process.send_signal(signal.SIGHUP)
        for n, client in enumerate(clients):
            assert await client.wait_closed(within_s=60.0) == 1012
            back = await come_back(clinic, stack, f"rolling-{n}", client)
            assert back.of("welcome")[0]["resumed"] is True
    assert await asyncio.to_thread(eventually, lambda: not before & set(workers_of(clinic)), 60.0)


async def test_a_worker_dies_with_its_supervisor(plain_models: Path) -> None:
    with service("--workers", "2", model_dir=str(plain_models)) as clinic:
        orphans = workers_of(clinic)
        assert len(orphans) == 2
        clinic.kill()
        assert await asyncio.to_thread(eventually, lambda: not any(map(alive, orphans)), 30.0)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False
