"""The broker on a Redis-protocol server: notices, alerts and snapshots go in and come out, every wait is bounded."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from emdr_stream.broker import redis_scripts, resp
from emdr_stream.broker.base import EVERYBODY, AlertEntry, AlertPage, Notice, Roll, StoredSnapshot
from emdr_stream.broker.fanout import Fanout, LocalSubscription
from emdr_stream.broker.listener import Channels, Listener, RawConnection
from emdr_stream.broker.pending import PendingNotices
from emdr_stream.broker.pipeline import Pipeline
from emdr_stream.clock import wall_ms
from emdr_stream.errors import FencedOut, StoreUnavailable, WritesRefused

_PIPELINE: Final = 100
"""Notices in one write: enough to fill a packet, few enough that a write never holds the loop for a millisecond."""
_GATHER_S: Final = 0.01
"""Live notices wait this long for others, to share a write and its answer. Alerts do not come this way."""
_REPLIES_OFF: Final = resp.command(b"CLIENT", b"REPLY", b"OFF")
_REPLIES_ON: Final = resp.command(b"CLIENT", b"REPLY", b"ON")
"""Around a batch: one answer confirms the whole; parsing an answer each would cost three times the sending."""
_PUBLISH_BUFFER: Final = 8_192
_ALERTS_KEPT: Final = 100_000
_PAGE: Final = 1_000
_CLOCK_SKEW_MS: Final = 60_000
"""How far the server's clock may lie behind the workers': the stream is searched from this much earlier."""
_CLAIM_LIFE_MS: Final = 60_000
"""How long a claim is remembered that no snapshot follows."""
_EPOCH_LIFE_MS: Final = 30 * 24 * 3600 * 1000
_CALL_CONNECTIONS: Final = 16
_PROBE_LIFE_MS: Final = 10_000
_COMPACT_TRIES: Final = 4


class RedisBroker:
    """Implements `Broker`. `prefix` goes before every key and channel; `timeout_s` bounds each answer of the server.

    A long answer (`alerts_since`) is read in pages, each bounded by the timeout.
    `dropped` counts notices that never left, `listener.connected` says whether notices of other workers arrive.
    `on_lag` is told the seconds that each arriving one took, its worker's own included; clocks of machines differ.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 0.25,
        prefix: str = "emdr:",
        instance: str,
        on_lag: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._timeout_s = timeout_s
        self._on_lag = on_lag
        self.instance = instance
        self._instance = instance.encode()
        self._live = f"{prefix}live:".encode()
        self._alerts = f"{prefix}alerts"
        self._session = f"{prefix}session:"
        self._epoch = f"{prefix}epoch:"
        # The braces keep the workers and all their sets on one node of a cluster.
        self._workers = f"{prefix}{{workers}}"
        self._letter_box = f"{prefix}letters:".encode()
        self._letters: Callable[[bytes], None] = lambda _: None
        self._probe = f"{prefix}probe"
        self._pool: Any = BlockingConnectionPool.from_url(
            url,
            max_connections=_CALL_CONNECTIONS,
            timeout=timeout_s,
            # Every wait is bounded where it happens. The library's own bound is asyncio.wait_for, which before Python
            # 3.12 loses a cancellation that comes as the sending ends: a console's task would outlive its socket.
            socket_timeout=None,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._redis: Any = Redis(connection_pool=self._pool)
        self._scripts = {
            text: self._redis.register_script(text)
            for text in (
                redis_scripts.CLAIM,
                redis_scripts.PUT,
                redis_scripts.GET,
                redis_scripts.BEAT,
                redis_scripts.ORPHANS,
            )
        }
        connect: Callable[[], RawConnection] = self._pool.make_connection
        self._tail = connect()
        self._tail_turn = asyncio.Lock()
        self._out = connect()
        self._pending = PendingNotices(_PUBLISH_BUFFER)
        self._pipeline = Pipeline(connect, timeout_s=timeout_s, refusals=(ResponseError,), cuts=(RedisConnectionError,))
        self._unsent = 0
        self._wake = asyncio.Event()
        self.listener = Listener(
            connect,
            self._channels,
            self._received,
            own=self._letter_box + self._instance,
            timeout_s=timeout_s,
            errors=(RedisError,),
        )
        self._fanout = Fanout(self.listener.follow)
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = contextlib.AsyncExitStack()

    @property
    def dropped(self) -> int:
        """Notices that were lost on the way out: buffer full, or the server away."""
        return self._pending.dropped + self._unsent

    async def start(self) -> None:
        """Begin to connect; a server that is away does not stop the start."""
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        loops = (self.listener.run(), self._publish_loop(), self._pipeline.run())
        self._tasks = [group.create_task(loop) for loop in loops]
        await self.listener.follow()

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()
        self._fanout.close()
        for connection in (self._tail, self._out):
            await connection.disconnect(nowait=True)
        await self._pool.disconnect()

    async def ping(self) -> None:
        # A write: a full server answers a PING, and so does one that cannot write its file, or a replica.
        await self._bounded(lambda: self._redis.execute_command("SET", self._probe, "", "PX", _PROBE_LIFE_MS))

    # live notices -------------------------------------------------------------------------------------------------
    def publish(self, notice: Notice) -> None:
        """Give the notice to this worker's own subscriptions at once, and to the other workers through the server."""
        self._fanout.deliver(notice)
        self._pending.put(notice)
        self._wake.set()

    async def subscribe(self, users: Collection[str]) -> LocalSubscription:
        """With the server away the subscription stands too: it gets this worker's notices, and the others' later."""
        return await self._fanout.add(users)

    def _channels(self) -> Channels:
        users = self._fanout.wanted()
        if EVERYBODY in users:
            return Channels(frozenset(), frozenset({self._live + b"*"}))
        return Channels(frozenset(self._live + user.encode() for user in users), frozenset())

    def _received(self, channel: bytes, data: bytes) -> None:
        if channel.startswith(self._letter_box):
            self._letters(data)
            return
        parts = data.split(b"\n", 4)
        if len(parts) != 5 or not parts[1].isdigit():
            return  # a stranger's message
        instance, sent_ms, session_id, kind, payload = parts
        self._on_lag((wall_ms() - int(sent_ms)) / 1_000)
        if instance != self._instance:
            user = channel[len(self._live) :].decode(errors="replace")
            self._fanout.deliver(
                Notice(session_id.decode(errors="replace"), user, payload, kind.decode(errors="replace"))
            )

    async def _publish_loop(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            while batch := self._pending.take(_PIPELINE):
                try:
                    await self._send(batch)
                except (RedisError, OSError, TimeoutError):
                    self._unsent += len(batch)
                    await asyncio.sleep(self._timeout_s)

    async def _send(self, batch: list[Notice]) -> None:
        head = b"%b\n%d" % (self._instance, wall_ms())
        packed = b"".join(
            resp.publish(
                self._live + notice.user.encode(),
                b"%b\n%b\n%b\n%b" % (head, notice.session_id.encode(), notice.kind.encode(), notice.payload),
            )
            for notice in batch
        )
        async with asyncio.timeout(self._timeout_s):
            await self._out.send_packed_command(_REPLIES_OFF + packed + _REPLIES_ON, check_health=False)
            await self._out.read_response(disable_decoding=True)

    # alert log ----------------------------------------------------------------------------------------------------
    async def append_alert(self, entry: AlertEntry) -> None:
        fields = ("s", entry.session_id, "u", entry.user, "n", entry.alert_seq, "e", entry.epoch, "t", entry.ts_ms)
        await self._bounded(
            lambda: self._redis.execute_command(
                "XADD", self._alerts, "MAXLEN", "~", _ALERTS_KEPT, "*", *fields, "p", entry.payload
            )
        )

    async def alerts_since(
        self, ts_ms: int, users: Collection[str] | None = None, most: int | None = None
    ) -> list[AlertEntry]:
        found: dict[tuple[str, int], AlertEntry] = {}
        names = None if users is None else {user.encode() for user in users}
        start = f"{max(0, ts_ms - _CLOCK_SKEW_MS)}-0"
        while True:
            page = await self._page(start)
            for position, fields in page:
                if names is not None and fields[b"u"] not in names:
                    continue
                entry = _entry(fields)
                if max(entry.ts_ms, int(position.split(b"-")[0])) >= ts_ms:
                    found.setdefault((entry.session_id, entry.alert_seq), entry)
            if len(page) < _PAGE:
                newest = list(found) if most is None else list(found)[-most:]
                return [found[key] for key in sorted(newest)]
            start = f"({page[-1][0].decode()}"

    async def _page(self, start: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        page: list[tuple[bytes, dict[bytes, bytes]]] = await self._bounded(
            lambda: self._redis.execute_command("XRANGE", self._alerts, start, "+", "COUNT", _PAGE)
        )
        return page

    async def tail_alerts(self, after: str | None, wait_ms: int) -> AlertPage:
        if after is None:
            newest = await self._bounded(
                lambda: self._redis.execute_command("XREVRANGE", self._alerts, "+", "-", "COUNT", 1)
            )
            return AlertPage(newest[0][0].decode() if newest else "0-0", ())
        async with self._tail_turn:
            reply = await self._bounded(lambda: self._read_tail(after, wait_ms), wait_ms / 1000)
        if not reply:
            return AlertPage(after, ())
        rows = reply[0][1]
        entries = tuple(_entry(dict(zip(fields[::2], fields[1::2], strict=True))) for _, fields in rows)
        return AlertPage(rows[-1][0].decode(), entries)

    async def _read_tail(self, after: str, wait_ms: int) -> Any:
        await self._tail.send_command("XREAD", "COUNT", _PAGE, "BLOCK", max(1, wait_ms), "STREAMS", self._alerts, after)
        return await self._tail.read_response(disable_decoding=True, timeout=wait_ms / 1000 + self._timeout_s)

    # snapshots ----------------------------------------------------------------------------------------------------
    async def claim(self, session_id: str, owner: str, at_least: int = 0, only_at: int | None = None) -> int:
        bounds = at_least, _CLAIM_LIFE_MS, _EPOCH_LIFE_MS, -1 if only_at is None else only_at
        epoch = int(await self._run(redis_scripts.CLAIM, self._keys_of(session_id), owner, *bounds))
        if not epoch:
            raise FencedOut(f"session {session_id}: another worker has claimed it since epoch {only_at}")
        return epoch

    async def put_snapshot(self, session_id: str, owner: str, epoch: int, payload: bytes, ttl_ms: int) -> None:
        keys = self._keys_of(session_id)
        if not await self._run(redis_scripts.PUT, keys, owner, epoch, ttl_ms, _EPOCH_LIFE_MS, payload):
            raise FencedOut(
                f"session {session_id}: epoch {epoch} is not the newest; another worker owns it now, let it go"
            )

    async def get_snapshot(self, session_id: str) -> StoredSnapshot | None:
        held = await self._run(redis_scripts.GET, self._keys_of(session_id))
        return None if held is None else StoredSnapshot(int(held[0]), held[1].decode(), held[2])

    async def forget(self, user: str, session_ids: Collection[str]) -> int:
        name, gone, start = user.encode(), 0, "-"
        while True:
            page = await self._page(start)
            for position, fields in page:
                if fields[b"u"] == name:
                    gone += await self._bounded(partial(self._redis.execute_command, "XDEL", self._alerts, position))
            if len(page) < _PAGE:
                break
            start = f"({page[-1][0].decode()}"
        for session_id in session_ids:
            # One by one: of a cluster, each may lie on another node.
            for key in self._keys_of(session_id):
                gone += await self._bounded(partial(self._redis.execute_command, "UNLINK", key))
        return gone

    async def compact(self) -> None:
        for _ in range(_COMPACT_TRIES):
            # Refused while another rewrite is under way, and for good where the server's operator forbids it.
            with contextlib.suppress(WritesRefused):
                await self._bounded(partial(self._redis.execute_command, "BGREWRITEAOF"))
                return
            await asyncio.sleep(self._timeout_s)

    def _keys_of(self, session_id: str) -> tuple[str, str]:
        """The braces keep both keys on one node of a cluster."""
        return f"{self._session}{{{session_id}}}", f"{self._epoch}{{{session_id}}}"

    # workers ------------------------------------------------------------------------------------------------------
    async def beat(self, owner: str, lease_ms: int, took: Collection[str] = (), let_go: Collection[str] = ()) -> Roll:
        keys = self._workers, f"{self._workers}:{owner}"
        known, *living = await self._run(redis_scripts.BEAT, keys, owner, lease_ms, len(took), *took, *let_go)
        return Roll(frozenset(name.decode() for name in living), known == b"1")

    async def orphans(self, heir: str, most: int) -> list[str]:
        keys = self._workers, f"{self._workers}:{heir}"
        return [name.decode() for name in await self._run(redis_scripts.ORPHANS, keys, heir, most)]

    async def owned(self, owner: str) -> frozenset[str]:
        members = await self._bounded(lambda: self._redis.execute_command("SMEMBERS", f"{self._workers}:{owner}"))
        return frozenset(name.decode() for name in members)

    def receive(self, letters: Callable[[bytes], None]) -> None:
        self._letters = letters

    async def post(self, owner: str, letter: bytes) -> bool:
        packed = resp.publish(self._letter_box + owner.encode(), letter)
        return bool(await self._bounded(lambda: self._pipeline.call(packed)))

    async def _run(self, text: str, keys: tuple[str, str], *arguments: str | bytes | int) -> Any:
        script = self._scripts[text]
        packed = resp.command(b"EVALSHA", script.sha.encode(), b"2", *(_bytes(part) for part in (*keys, *arguments)))

        async def call() -> Any:
            try:
                return await self._pipeline.call(packed)
            except NoScriptError:
                # A server that has just started: the library loads the text and runs it.
                return await script(keys=keys, args=arguments)

        return await self._bounded(call)

    async def _bounded(self, call: Callable[[], Awaitable[Any]], extra_s: float = 0.0) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s + extra_s):
                return await call()
        except ResponseError as error:
            raise WritesRefused(
                f"Redis answers and refuses what it is told ({type(error).__name__}): check whether its memory or its "
                "disk is full, or whether EMDR_REDIS_URL names a replica"
            ) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(
                f"Redis did not answer within {self._timeout_s:g} s ({type(error).__name__}): "
                "check that it runs and that EMDR_REDIS_URL is right"
            ) from error


def _bytes(part: str | bytes | int) -> bytes:
    return part if isinstance(part, bytes) else str(part).encode()


def _entry(fields: dict[bytes, bytes]) -> AlertEntry:
    return AlertEntry(
        session_id=fields[b"s"].decode(),
        user=fields[b"u"].decode(),
        alert_seq=int(fields[b"n"]),
        epoch=int(fields[b"e"]),
        ts_ms=int(fields[b"t"]),
        payload=fields[b"p"],
    )
