"""What the records say of a client, read from a real PostgreSQL; and the command that exports decisions from it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emdr_stream.__main__ import main
from emdr_stream.domain import SafetyLevel
from emdr_stream.personalization.learner import Priors, known_of
from emdr_stream.personalization.optimiser import Situation, propose
from emdr_stream.personalization.setting import Setting
from emdr_stream.rest.personalizer import POOL_S, Personalizer
from emdr_stream.rest.proposing import kept
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.decisions import ACCEPTED, KeptDecision, answer_decision, keep_decision, set_locks
from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.stores_process import RunningStores

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
NOW = 1_795_420_800_000
CONFIG = {"pattern_type": "horizontal", "speed": 1.0, "duration": 24.0}


@pytest.fixture
async def url(stores: RunningStores) -> AsyncIterator[str]:
    async with own_database(stores.database_url) as address:
        yield address


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    made = PostgresStore(url, timeout_s=5.0)
    await made.start()
    yield made
    await made.aclose()


def a_set(user: str, number: int, sud: float, speed: float = 1.0) -> list[Record]:
    """Set `number` of the user's session, a minute each, with the rating after it."""
    session_id, start = f"s-{user}", NOW + 60_000 * number

    def record(kind: RecordKind, s: float, **fields: Any) -> Record:
        return Record(kind, session_id, user, 1, start + int(s * 1_000), fields)

    return [
        record(RecordKind.SET, 0, action="start", set_no=number, config={**CONFIG, "speed": speed}),
        record(RecordKind.SET, 24, action="end", set_no=number),
        record(RecordKind.RATING, 40, scale="sud", value=sud),
    ]


def proposed(user: str, number: int, at_ms: int) -> KeptDecision:
    situation = Situation(
        present=Setting(), reference=Setting(), set_no=number, level=SafetyLevel.NORMAL, seen=True, sud=6.0
    )
    proposal = propose(known_of([], Priors()), situation, np.random.default_rng(number))
    present = {"present": kept(Setting()), "reference": kept(Setting()), "seed": str(number)}
    decision_id = f"s-{user}.d{number}"
    return KeptDecision(decision_id, user, f"s-{user}", "t-1", at_ms, proposal.policy, present, kept(proposal))


async def test_a_client_is_known_by_their_own_sets_and_by_what_others_show(store: PostgresStore) -> None:
    now = 0.0
    personalizer = Personalizer(store, lambda: now)
    await store.write([each for n in range(1, 11) for each in a_set("u-1", n, 8.0 - 0.5 * n)])
    history = await personalizer.history("u-1")
    assert len(history.sets) == 10
    assert history.sets[1].sud_change == -0.5
    alone = await personalizer.known(history)
    assert (alone.rated, alone.clients) == (9, 0)
    await store.write([each for n in range(1, 6) for each in a_set("u-2", n, 7.0 - n, speed=1.2)])
    assert (await personalizer.known(history)).clients == 0, "read anew after a while only"
    now = POOL_S + 1.0
    assert (await personalizer.known(history)).clients == 1
    assert (await personalizer.known(await personalizer.history("u-2"))).clients == 1
    assert (await personalizer.known(await personalizer.history("u-3"))).clients == 2


async def test_an_erased_client_is_out_of_what_others_show_at_once(store: PostgresStore) -> None:
    personalizer = Personalizer(store, lambda: 0.0)
    await store.write([each for n in range(1, 6) for each in a_set("u-2", n, 7.0 - n)])
    history = await personalizer.history("u-1")
    assert (await personalizer.known(history)).clients == 1
    await store.ask(lambda connection: connection.execute("delete from sessions where user_id = 'u-2'"))
    personalizer.forget()
    assert (await personalizer.known(history)).clients == 0


class _ErasedWhileRead:
    """A store in which a client is erased, here too, while a worker reads what others show."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.personalizer = Personalizer(self, lambda: 0.0)
        self.answers_until = 0

    async def ask(self, question: Any, budget_s: float | None = None) -> Any:
        answer = await self.store.ask(question, budget_s)
        self.answers_until -= 1
        if self.answers_until == 0:
            await self.store.ask(lambda connection: connection.execute("delete from sessions where user_id = 'u-2'"))
            self.personalizer.forget()
        return answer


async def test_who_is_erased_while_others_are_read_is_not_kept_for_ten_minutes(store: PostgresStore) -> None:
    await store.write([each for n in range(1, 6) for each in a_set("u-2", n, 7.0 - n)])
    racing = _ErasedWhileRead(store)
    history = await racing.personalizer.history("u-1")
    racing.answers_until = 3  # sessions, what happened in them, what was seen
    assert (await racing.personalizer.known(history)).clients == 0
    assert racing.answers_until < -2, "and read again"


async def test_locks_and_answers_are_part_of_a_history(store: PostgresStore) -> None:
    personalizer = Personalizer(store, lambda: 0.0)
    decision = proposed("u-1", 1, NOW)
    await store.ask(keep_decision(decision))
    await store.ask(answer_decision(decision, "t-1", NOW + 1, ACCEPTED, None))
    await store.ask(set_locks("u-1", ["speed"], "t-1", NOW))
    profile = (await personalizer.history("u-1")).profile()
    assert (profile.answers.accepted, profile.answers.locked) == (1, ("speed",))


async def test_decisions_are_exported_with_what_the_next_set_brought_and_without_names(
    store: PostgresStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.write([each for n in range(1, 6) for each in a_set("u-1", n, 8.0 - n)])
    between = NOW + 60_000 * 2 + 50_000
    for number, at_ms in ((1, between), (2, between + 1_000), (3, NOW + 60_000 * 9)):
        await store.ask(keep_decision(proposed("u-1", number, at_ms)))
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "decisions.jsonl"
    code = await asyncio.to_thread(main, ["personalization", "export", "--database-url", url, "--out", str(out)])
    assert code == 0
    superseded, counted, last = map(json.loads, out.read_text().splitlines())
    assert superseded["reward"] is None and last["reward"] is None
    assert counted["reward"] == 1.0
    assert sum(counted["propensities"].values()) == pytest.approx(1.0)
    assert counted["action"] in counted["propensities"]
    assert "u-1" not in out.read_text()
    assert await asyncio.to_thread(main, ["personalization", "evaluate", str(out)]) == 1


async def test_a_database_without_proposals_says_how_to_get_some(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["personalization", "export", "--database-url", url, "--out", "-"]
    assert await asyncio.to_thread(main, arguments) == 1
    assert "holds no proposal" in capsys.readouterr().err
