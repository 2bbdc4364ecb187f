"""A user's name in, what is kept of them out; or nothing kept of them any more."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import msgspec

from emdr_stream.errors import ProtocolError, RecordRefused, StoreUnavailable
from emdr_stream.rest.operation import NDJSON, SERVICE, THERAPIST_AND_SERVICE, Call, Lines, NoQuery, Operation, Told
from emdr_stream.store.erasure import ERASE_S, erase, sweep
from emdr_stream.store.export import PAGE, audit_of, is_of_sessions, page_of, sessions_of
from emdr_stream.store.personal import PERSONAL_TABLES
from emdr_stream.wire.orders import Forget

_LOG: Final = logging.getLogger(__name__)
_ENCODE: Final = msgspec.json.Encoder().encode
_BEAT_S: Final = 0.6
_SETTLE_S: Final = 0.4
"""What was on its way to a store when a worker let go is there by then: every call is bounded."""


class UserErased(Told, frozen=True, kw_only=True):
    """Nothing of the person is left in PostgreSQL and Redis; alert journals and recordings follow within seconds.

    `rows`: what was deleted, by table; `audit_entries`: entries of the audit log that were emptied; `unreachable`:
    workers that did not answer: what lies on their disks goes when they start again, or when this is asked again.
    """

    sessions: int
    rows: dict[str, int]
    audit_entries: int
    live_state: int
    unreachable: int


async def export(call: Call[None, NoQuery]) -> Lines:
    """Everything that the database holds of a person, as lines."""
    user = call.check_user(call.path["user"])
    sessions = await call.parts.records.ask(sessions_of(user))
    deed = {"action": call.operation, "by": call.principal.sub, "role": call.principal.role.value}
    call.parts.registry.audit(deed, user=user)
    return Lines(_exported(call, user, sessions), {"content-type": NDJSON})


async def erase_user(call: Call[None, NoQuery]) -> UserErased:
    """Erase a person: end what lives, empty the stores, and have every worker forget."""
    user = call.check_user(call.path["user"])
    parts = call.parts
    known, unreachable = await _forget_everywhere(call, user, await parts.records.ask(sessions_of(user)))
    if known:
        await asyncio.sleep(_SETTLE_S)
    deed = {"by": call.principal.sub, "role": call.principal.role.value}
    erased = await parts.records.ask(erase(user, known, deed, parts.wall_ms()), ERASE_S)
    live_state = await parts.broker.forget(user, erased.sessions)
    if erased.sessions:
        live_state += await _sweep(call, user, erased.sessions)
        unreachable |= (await _forget_everywhere(call, user, erased.sessions))[1]
        # Every worker's next beat says what it let go: the file is to be written anew behind that.
        await asyncio.sleep(_BEAT_S)
        await parts.broker.compact()
    return UserErased(
        sessions=len(erased.sessions),
        rows=erased.rows,
        audit_entries=erased.entries,
        live_state=live_state,
        unreachable=len(unreachable),
    )


async def _sweep(call: Call[Any, Any], user: str, sessions: Sequence[str]) -> int:
    """What was on its way while the rows went is refused by now, but some may have come just before.

    Gives how much of the live state went.
    """
    await asyncio.sleep(_SETTLE_S)
    await call.parts.records.ask(sweep(user, sessions), ERASE_S)
    return await call.parts.broker.forget(user, sessions)


async def _forget_everywhere(call: Call[Any, Any], user: str, session_ids: Iterable[str]) -> tuple[set[str], set[str]]:
    """Have every living worker end what lives of the person and let go of it all.

    Gives their sessions, those that only a worker knew included, and the workers that did not answer.
    """
    registry, by = call.parts.registry, call.principal.sub
    known, silent = set(session_ids), set()
    known.update(registry.forget(user, known, by))
    for owner in registry.roll.living - {call.parts.broker.instance}:
        try:
            forget = Forget(user=user, sessions=sorted(known))
            known.update(await registry.switchboard.ask(owner, forget, by))
        except ProtocolError:
            silent.add(owner)
    return known, silent


async def _exported(call: Call[Any, Any], user: str, sessions: list[str]) -> AsyncIterator[bytes]:
    yield _ENCODE({"type": "export", "user": user, "ts": call.parts.wall_ms(), "sessions": len(sessions)}) + b"\n"
    count = 0
    ending: dict[str, Any] = {"type": "end"}
    try:
        async for line in _rows(call, user, sessions):
            count += 1
            yield line.encode() + b"\n"
    except StoreUnavailable:
        ending = {"type": "cut", "detail": "a store does not answer now: ask again"}
    except RecordRefused as refused:
        _LOG.error("a person's records cannot be read to their end", extra={"problem": str(refused)})
        ending = {"type": "cut", "detail": "the database cannot read a row: to ask again is useless, tell the operator"}
    yield _ENCODE({**ending, "rows": count}) + b"\n"


async def _rows(call: Call[Any, Any], user: str, sessions: list[str]) -> AsyncIterator[str]:
    ask = call.parts.records.ask
    for table in reversed(PERSONAL_TABLES):
        for key in sessions if is_of_sessions(table) else [user]:
            skip = 0
            while page := await ask(page_of(table, key, skip)):
                for line in page:
                    yield line
                skip += len(page)
                if len(page) < PAGE:
                    break
    after = 0
    while entries := await ask(audit_of(user, after)):
        for _, line in entries:
            yield line
        after = entries[-1][0]


OPERATIONS: Final = (
    Operation(
        name="users.export",
        method="GET",
        path="/v1/users/{user}/export",
        summary="Everything that is kept of a person, a row a line.",
        roles=THERAPIST_AND_SERVICE,
        handle=export,
        media=(NDJSON,),
        answers_with="`export`, then `{table, row}` for each row, and `end` with their number, or `cut` with "
        "a `detail` when a store went away or cannot read a row: then it is not whole.",
    ),
    Operation(
        name="users.erase",
        method="DELETE",
        path="/v1/users/{user}",
        summary="Erase a person: sessions that live are ended, and nothing of them stays.",
        roles=SERVICE,
        handle=erase_user,
        answer=UserErased,
    ),
)
