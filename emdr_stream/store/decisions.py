"""Proposals, answers and locks in, rows of `decisions`, `decision_answers` and `pattern_locks` out, and back.

Each function gives a work for a connection (`PostgresStore.ask`).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from emdr_stream.store import rows
from emdr_stream.store.connections import TimedConnection

_Result = TypeVar("_Result")
Work: TypeAlias = Callable[[TimedConnection], Awaitable[_Result]]

ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
_COLUMNS: Final = (
    "d.decision_id, d.user_id, d.session_id, d.therapist, d.ts, d.policy, d.present, d.proposal,"
    " a.answer, a.ts as answered, a.therapist as answered_by"
)
_FROM: Final = "from decisions d left join decision_answers a using (decision_id)"
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """A proposal as it was made. `present` and `proposal` are plain JSON values; `therapist` asked for it; `answer`:
    what became of it, with its time and by whom."""

    decision_id: str
    user: str
    session_id: str
    therapist: str
    ts_ms: int
    policy: str
    present: dict[str, Any]
    proposal: dict[str, Any]
    answer: str | None = None
    answered_ms: int | None = None
    answered_by: str | None = None


def keep_decision(decision: KeptDecision) -> Work[None]:
    """Write a proposal; the same one twice is one row."""

    async def work(connection: TimedConnection) -> None:
        await connection.execute(
            "insert into decisions (decision_id, user_id, session_id, therapist, ts, policy, present, proposal)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
            *(
                rows.text(each)
                for each in (decision.decision_id, decision.user, decision.session_id, decision.therapist)
            ),
            rows.timestamp(decision.ts_ms),
            decision.policy,
            _json(decision.present),
            _json(decision.proposal),
        )

    return work


def answer_decision(
    decision: KeptDecision,
    therapist: str,
    ts_ms: int,
    answer: str,
    note: str | None,
    act: Callable[[], Awaitable[None]] | None = None,
) -> Work[bool]:
    """Write an answer; False when there was one already, which stays, or when the proposal is no longer there.

    `act`: what the answer means, done before it is written and while nobody else can answer; not where False is given.
    """

    async def work(connection: TimedConnection) -> bool:
        name = rows.text(decision.decision_id)
        await connection.execute("begin")
        there = await connection.fetch("select 1 from decisions where decision_id = $1 for update", name)
        # A question of its own: in the one before, answers would be as they were when it began to wait.
        answered = await connection.fetch("select 1 from decision_answers where decision_id = $1", name)
        free = bool(there) and not answered
        if free:
            if act is not None:
                await act()
            await connection.execute(
                "insert into decision_answers (decision_id, user_id, therapist, ts, answer, note)"
                " values ($1, $2, $3, $4, $5, $6)",
                *(name, rows.text(decision.user), rows.text(therapist)),
                rows.timestamp(ts_ms),
                answer,
                None if note is None else rows.text(note),
            )
        await connection.execute("commit")
        return free

    return work


def decision_of(decision_id: str) -> Work[KeptDecision | None]:
    async def work(connection: TimedConnection) -> KeptDecision | None:
        found = await connection.fetch(
            f"select {_COLUMNS} {_FROM} where d.decision_id = $1",
            rows.text(decision_id),
        )
        return _decision(found[0]) if found else None

    return work


def decisions_of_user(user: str, most: int) -> Work[list[KeptDecision]]:
    """The newest `most` of a client, oldest first."""

    async def work(connection: TimedConnection) -> list[KeptDecision]:
        found = await connection.fetch(
            f"select {_COLUMNS} {_FROM} where d.user_id = $1 order by d.ts desc, d.decision_id desc limit $2",
            rows.text(user),
            most,
        )
        return [_decision(row) for row in reversed(found)]

    return work


def decisions_page(after: tuple[int, str] | None, most: int) -> Work[list[KeptDecision]]:
    """Of all clients, oldest first: those after (time in ms, id) of the last page's end."""

    async def work(connection: TimedConnection) -> list[KeptDecision]:
        since, last = after or (0, "")
        found = await connection.fetch(
            f"select {_COLUMNS} {_FROM} where (d.ts, d.decision_id) > ($1, $2) order by d.ts, d.decision_id limit $3",
            rows.timestamp(since),
            last,
            most,
        )
        return [_decision(row) for row in found]

    return work


def locks_of(user: str) -> Work[list[str]]:
    """The parts that are locked for a client."""

    async def work(connection: TimedConnection) -> list[str]:
        found = await connection.fetch(
            "select part from pattern_locks where user_id = $1 order by part", rows.text(user)
        )
        return [str(row["part"]) for row in found]

    return work


def set_locks(user: str, parts: Sequence[str], therapist: str, ts_ms: int) -> Work[None]:
    """Exactly these parts are locked from now on; who locked one before is kept."""

    async def work(connection: TimedConnection) -> None:
        name = rows.text(user)
        await connection.execute("begin")
        await connection.execute("delete from pattern_locks where user_id = $1 and part <> all($2)", name, list(parts))
        await connection.executemany(
            "insert into pattern_locks (user_id, part, therapist, ts) values ($1, $2, $3, $4) on conflict do nothing",
            [(name, part, rows.text(therapist), rows.timestamp(ts_ms)) for part in parts],
        )
        await connection.execute("commit")

    return work


def _decision(row: Any) -> KeptDecision:
    return KeptDecision(
        decision_id=row["decision_id"],
        user=row["user_id"],
        session_id=row["session_id"],
        therapist=row["therapist"],
        ts_ms=_ms(row["ts"]),
        policy=row["policy"],
        present=_decode(row["present"]),
        proposal=_decode(row["proposal"]),
        answer=row["answer"],
        answered_ms=None if row["answered"] is None else _ms(row["answered"]),
        answered_by=row["answered_by"],
    )


def _json(fields: dict[str, Any]) -> str:
    """Without the one character that PostgreSQL's jsonb does not hold."""
    return rows.text(_encode(fields).decode().replace("\\u0000", "\ufffd"))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
