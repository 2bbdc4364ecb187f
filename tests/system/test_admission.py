"""How many may come in: refused handshakes say so before the upgrade, and one user cannot take everybody's room."""

import asyncio
import contextlib
import json
import socket as sockets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.hostile.frames import TEXT, frame
from tests.system.raw_socket import is_ended, read_to_end, shaken
from tests.system.service import Service, eventually, service
from tests.system.sockets import MSGPACK, SocketClient, beside, resume_of, socket, stream, wall_ms, watch

pytestmark = [pytest.mark.system, pytest.mark.anyio]

MOST, MOST_PER_PEER, MOST_PER_USER = 6, 3, 2
ELSEWHERE = "127.0.0.2"


@pytest.fixture(scope="module")
def small() -> Iterator[Service]:
    """A service with little room."""
    with service(
        max_sockets=str(MOST),
        max_sockets_per_peer=str(MOST_PER_PEER),
        max_sessions_per_user=str(MOST_PER_USER),
        max_consoles_per_user=str(MOST_PER_USER),
        message_bytes="65536",
        bytes_per_s="131072",
        grace_ms="5000",
    ) as running:
        yield running


@contextlib.asynccontextmanager
async def knock(
    service: Service, address: str = "127.0.0.1", path: str = "/v1/stream", forwarded_for: str | None = None
) -> AsyncIterator[ClientConnection]:
    """An upgraded socket from a loopback address."""
    async with connect(
        f"ws://127.0.0.1:{service.port}{path}",
        subprotocols=[Subprotocol(MSGPACK)],
        local_addr=(address, 0),
        additional_headers={"X-Forwarded-For": forwarded_for} if forwarded_for else {},
        close_timeout=2,
    ) as connection:
        yield connection


def metric(service: Service, line: str) -> float:
    text = service.get("/metrics")[2].decode()
    return float(next(each for each in text.splitlines() if each.startswith(line)).split()[-1])


def refusals(service: Service, limit: str) -> float:
    return metric(service, f'emdr_refusals_total{{limit="{limit}"}}')


async def refused(service: Service, address: str, **options: str) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as refusal:
        async with knock(service, address, **options):
            pass
    return refusal.value


async def filled(service: Service, stack: contextlib.AsyncExitStack, *addresses: str) -> None:
    for address in addresses:
        await stack.enter_async_context(knock(service, address))


async def test_a_full_address_is_told_429_and_others_come_in(small: Service) -> None:
    before = refusals(small, "peer")
    async with contextlib.AsyncExitStack() as stack:
        await filled(small, stack, *["127.0.0.1"] * MOST_PER_PEER)
        answer = (await refused(small, "127.0.0.1")).response
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        assert b"EMDR_MAX_SOCKETS_PER_PEER" in answer.body
        # Consoles and clients of an address are counted together, and nobody else's header is believed.
        assert (await refused(small, "127.0.0.1", path="/v1/watch")).response.status_code == 429
        assert (await refused(small, "127.0.0.1", forwarded_for="192.0.2.7")).response.status_code == 429
        async with knock(small, ELSEWHERE):
            assert refusals(small, "peer") - before == 3


async def test_a_full_worker_is_told_503_and_still_answers_operators(small: Service) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await filled(small, stack, *["127.0.0.3", "127.0.0.4"] * MOST_PER_PEER)
        answer = (await refused(small, ELSEWHERE)).response
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert b"EMDR_MAX_SOCKETS" in answer.body
        assert small.get("/healthz")[0] == 200
        assert refusals(small, "worker") >= 1


async def test_who_leaves_makes_room(small: Service) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await filled(small, stack, *["127.0.0.5"] * MOST_PER_PEER)
        await refused(small, "127.0.0.5")
    for _ in range(3 * MOST):
        async with knock(small, "127.0.0.5"):
            pass


async def test_behind_a_trusted_proxy_its_clients_are_counted_and_not_the_proxy() -> None:
    with service(max_sockets_per_peer="2", trusted_proxies="127.0.0.1") as proxied:
        async with contextlib.AsyncExitStack() as stack:
            for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"):
                await stack.enter_async_context(knock(proxied, forwarded_for=client))
            assert (await refused(proxied, "127.0.0.1", forwarded_for="192.0.2.1")).response.status_code == 429
            # What a client writes in front of what the proxy adds is nobody's word.
            assert (await refused(proxied, "127.0.0.1", forwarded_for="9.9.9.9, 192.0.2.2")).response.status_code == 429


async def test_one_user_may_not_fill_the_worker_with_sessions_that_they_left(small: Service) -> None:
    for _ in range(MOST_PER_USER):
        async with stream(small, "leaver"):
            pass
    async with socket(small, "/v1/stream") as client:
        await client.send("hello", source="emotion", token=small.token("client", "leaver"))
        assert await client.wait_closed() == 1013
    error = client.of("error")[-1]
    assert (error["code"], error["fatal"], error["retryable"]) == ("overloaded", True, True)
    assert error["retry_after_ms"] > 0
    async with stream(small, "somebody-else"):
        pass


async def test_a_worker_with_as_much_to_do_as_it_can_tells_the_new_to_come_back_and_serves_the_others() -> None:
    with service(max_load="0.03") as worker:  # of a core: some busy clients reach it on any machine
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(stream(worker, f"u{number}")) for number in range(8)]
            for client in clients:
                await stack.enter_async_context(beside(keeps_sending(client)))
            refused = await refused_by_load(worker)
            error = refused.of("error")[-1]
            assert (error["code"], error["fatal"], error["retryable"]) == ("overloaded", True, True)
            assert error["retry_after_ms"] > 0
            assert refusals(worker, "load") >= 1
            told = await strained_readiness(worker)
            assert "EMDR_MAX_LOAD" in told["parts"]["room"]["why"]
            assert told["ready"], "a load balancer must not take the worker from those who come back"
            # Those who are here are answered, and one that loses its socket comes back.
            await clients[0].wait_for("result", after=len(clients[0].messages))
            back = resume_of(clients[-1])
            await clients[-1].connection.close()
            async with stream(worker, "u7", **back) as again:
                assert again.of("welcome")[0]["resumed"]
        # When they have gone there is room again: `stream` comes back as often as it is told to.
        async with stream(worker, "late"):
            pass


async def strained_readiness(worker: Service) -> dict[str, Any]:
    """`/readyz` once it says that no new sessions are taken."""
    for _ in range(75):
        told: dict[str, Any] = json.loads(worker.get("/readyz")[2])
        if not told["parts"]["room"]["ok"]:
            return told
        await asyncio.sleep(0.2)
    raise AssertionError("the worker never said so")


async def keeps_sending(client: SocketClient) -> None:
    """Fifty samples a second, until cancelled or closed."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.send("sample", ts=wall_ms(), dimensions={"valence": 0.1, "arousal": 0.0, "attention": 0.7})
            await asyncio.sleep(0.02)


async def refused_by_load(worker: Service) -> SocketClient:
    """A client that was not let in; there is one as soon as the worker has looked."""
    for _ in range(30):
        async with socket(worker, "/v1/stream") as client:
            await client.send("hello", source="emotion", token=worker.token("client", "new"))
            first = await client.wait_for(lambda message: message["type"] in ("welcome", "error"))
            if first["type"] == "error":
                assert await client.wait_closed() == 1013
                return client
            await client.send("bye")
            await client.wait_for("ended")
        await asyncio.sleep(0.5)
    raise AssertionError("everybody was let in")


async def test_one_therapist_may_not_open_consoles_without_end(small: Service) -> None:
    async with watch(small, "a", sub="t-many"), watch(small, "a", sub="t-many"):
        async with socket(small, "/v1/watch") as console:
            await console.send("hello", token=small.token("therapist", "t-many", clients=["a"]))
            assert await console.wait_closed() == 1013
        assert console.of("error")[-1]["code"] == "overloaded"
    async with watch(small, "a", sub="t-many"):
        pass


@pytest.mark.parametrize("opened", [stream, watch], ids=["stream", "watch"])
async def test_too_many_bytes_are_told_once_a_stop_still_counts_and_far_too_many_close(small, opened) -> None:  # type: ignore[no-untyped-def]
    padding = {"padding": "x" * 60_000}
    async with opened(small, "heavy") as peer:
        for _ in range(5):
            await peer.send("ping", t0=wall_ms(), **padding)
        error = await peer.wait_for("error")
        assert (error["code"], error["fatal"]) == ("rate_limited", False)
        if opened is stream:
            await peer.send("stop")
            await peer.wait_for("control.pause")
        with contextlib.suppress(Exception):
            for _ in range(40):
                await peer.send("ping", t0=wall_ms(), **padding)
        assert await peer.wait_closed() == 4429
    assert len(peer.of("error")) <= 4
    assert peer.of("error")[-1]["code"] == "rate_limited"


async def test_each_frame_is_answered_although_there_are_too_many_bytes(small: Service) -> None:
    async with stream(small, "frames") as client:
        for number in range(6):
            await client.send("frame", id=number, ts=wall_ms(), image=bytes(60_000))
        for number in range(6):
            await client.wait_for(lambda heard, number=number: heard.get("re") == number)  # type: ignore[misc]
    answers = [heard for heard in client.messages if "re" in heard]
    assert [heard["re"] for heard in answers] == list(range(6))
    assert {heard["reason"] for heard in client.of("skipped")} == {"rate"}


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/watch"])
@pytest.mark.parametrize(
    "flood",
    [b"\x8a\x80\0\0\0\0", b"\x89\x80\0\0\0\0", b"\x02\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 4],
    ids=["pongs", "pings", "fragments"],
)
def test_frames_that_no_session_sees_are_limited_too(small: Service, path: str, flood: bytes) -> None:
    with shaken(small.port, path) as (raw, _):
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            raw.sendall(flood * 20_000 if len(flood) < 10 else flood[:6] + flood[6:] * 5_000)
        assert (4429).to_bytes(2, "big") in read_to_end(raw)


@pytest.mark.parametrize("offer", ["permessage-deflate", "permessage-deflate; client_max_window_bits=15", "x, y; z=1"])
@pytest.mark.parametrize("path", ["/v1/stream", "/v1/watch"])
def test_compression_is_never_negotiated(small: Service, path: str, offer: str) -> None:
    with shaken(small.port, path, f"Sec-WebSocket-Extensions: {offer}\r\n") as (raw, answer):
        # A compressed frame all the same: the bit is not ours.
        raw.sendall(b"\xc2\x81\0\0\0\0\0")
        assert b"extensions" not in answer.lower()
        assert (1002).to_bytes(2, "big") in read_to_end(raw)


def test_headers_that_do_not_end_are_closed_after_three_seconds(small: Service) -> None:
    with sockets.create_connection(("127.0.0.1", small.port), timeout=5) as raw:
        raw.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n")
        raw.settimeout(0.05)
        assert eventually(lambda: is_ended(raw), 3.5)


def read_all(raw: sockets.socket) -> bytes:
    everything = b""
    with contextlib.suppress(ConnectionResetError, TimeoutError):
        while chunk := raw.recv(65_536):
            everything += chunk
    return everything


def test_a_refused_peer_that_neither_reads_nor_answers_is_cut_in_time(small: Service) -> None:
    # uvicorn gives a close that is not answered 10 s, and what cannot be written all the time there is: a refused
    # peer, which no limit counts any more, kept its connection.
    with shaken(small.port, "/v1/stream") as (raw, _):
        raw.sendall(frame(b"{}", TEXT))
        raw.settimeout(0.05)
        assert eventually(lambda: is_ended(raw), 4.0)
