"""A database in, its decisions out, a JSON line each: with what the next set brought, and numbers in place of names."""

import time
from collections.abc import Iterable
from typing import Final

import msgspec

from emdr_stream.cli.database import database
from emdr_stream.environment import Environment
from emdr_stream.personalization.arms import Arm
from emdr_stream.personalization.logged import LoggedDecision, reward_after
from emdr_stream.personalization.optimiser import Fate
from emdr_stream.personalization.outcomes import SetOutcome
from emdr_stream.rest.personalizer import Personalizer, setting_from
from emdr_stream.store.decisions import KeptDecision, decisions_page
from emdr_stream.store.postgres import PostgresStore

_TIMEOUT_S: Final = 60.0
_PAGE: Final = 500


async def export_decisions(environment: Environment) -> list[str]:
    """All of them, oldest first. Clients and sessions are numbered in the order in which they come: no pseudonym leaves
    the database. Raises StoreUnavailable, ConfigurationError."""
    async with database(environment) as url:
        store = PostgresStore(url, timeout_s=_TIMEOUT_S, connections=1)
        try:
            await store.start()
            return await _lines(store)
        finally:
            await store.aclose()


async def _lines(store: PostgresStore) -> list[str]:
    personalizer = Personalizer(store, time.monotonic)
    sets: dict[str, dict[str, list[SetOutcome]]] = {}
    clients: dict[str, int] = {}
    sessions: dict[str, int] = {}
    found: list[LoggedDecision] = []
    newest: dict[tuple[str, int], int] = {}
    """Where the newest decision before a set stands, by session and the set's start."""
    after: tuple[int, str] | None = None
    while page := await store.ask(decisions_page(after, _PAGE)):
        for kept in page:
            if kept.user not in sets:
                sets[kept.user] = _by_session((await personalizer.history(kept.user)).sets)
            client = clients.setdefault(kept.user, len(clients))
            session = sessions.setdefault(kept.session_id, len(sessions))
            of_session = sets[kept.user].get(kept.session_id, [])
            _, following = reward_after(kept.ts_ms, of_session)
            if following is not None:
                before = newest.get((kept.session_id, following.at_ms))
                if before is not None:
                    # Asked again before the set: what the set brought is the last proposal's.
                    found[before] = msgspec.structs.replace(found[before], reward=None, applied=None)
                newest[kept.session_id, following.at_ms] = len(found)
            found.append(logged(kept, of_session, (client, session), len(found)))
        after = (page[-1].ts_ms, page[-1].decision_id)
    return [msgspec.json.encode(each).decode() for each in found]


def logged(kept: KeptDecision, sets: list[SetOutcome], names: tuple[int, int], number: int) -> LoggedDecision:
    """One decision as it is exported. `sets`: those of its session, oldest first; `names`: of client and session."""
    proposal = kept.proposal
    listed = [each for each in proposal["weighed"] if each["fate"] == Fate.LISTED]
    reward, following = reward_after(kept.ts_ms, sets)
    return LoggedDecision(
        policy=kept.policy,
        client=f"c{names[0]}",
        session=f"s{names[1]}",
        number=number,
        action=Arm(proposal["arm"]),
        propensities={Arm(each["arm"]): each["propensity"] for each in listed},
        expected={Arm(each["arm"]): each["benefit"] for each in listed},
        masked=tuple(Arm(each["arm"]) for each in proposal["weighed"] if each["fate"] == Fate.MASKED),
        reference=None if proposal["reference"] is None else Arm(proposal["reference"]),
        context=proposal["context"],
        reward=reward,
        answer=kept.answer,
        applied=None if following is None else following.setting == setting_from(proposal["setting"]),
    )


def _by_session(sets: Iterable[SetOutcome]) -> dict[str, list[SetOutcome]]:
    found: dict[str, list[SetOutcome]] = {}
    for each in sets:
        found.setdefault(each.session, []).append(each)
    return found
