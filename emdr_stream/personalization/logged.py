"""In: exported decisions, JSON Lines. Out: decisions, and columns to judge them by; errors name the line."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from emdr_stream.errors import EmdrError
from emdr_stream.personalization.arms import INDEX, N_ARMS, Arm
from emdr_stream.personalization.offpolicy import Log, unit_numbers
from emdr_stream.personalization.outcomes import SetOutcome, benefit

MOST_DECISIONS: Final = 1_000_000
FEWEST_CLIENTS: Final = 10
_CONTEXT: Final = (("sud", 5.0, 10.0), ("set_no", 5.0, 10.0), ("recovery", 0.7, 1.0), ("attention", 0.7, 1.0))
"""Name, usual value where it is missing, and scale."""
_SUM_TOLERANCE: Final = 1e-3

Chance = Annotated[float, Meta(gt=0.0, le=1.0)]
ShortName = Annotated[str, Meta(min_length=1, max_length=128)]


class DecisionsError(EmdrError):
    """Exported decisions that cannot be used; the message names the line, the field and the mend."""


class LoggedDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One decision as exported. `propensities`: of the arms that had one; `expected`: their benefit against `reference`
    as it was expected. `reward`: what the next set brought, in points of SUD, None where it was not seen. `answer`:
    what the therapist did (accepted, rejected), None for nothing; `applied`: the next set had the proposed setting."""

    policy: ShortName
    client: ShortName
    session: ShortName
    number: Annotated[int, Meta(ge=0)]
    action: Arm
    propensities: dict[Arm, Chance]
    expected: dict[Arm, float] = {}
    masked: tuple[Arm, ...] = ()
    reference: Arm | None = None
    context: dict[str, float | str | bool | None] = {}
    reward: float | None = None
    answer: str | None = None
    applied: bool | None = None


def decisions_of(lines: Iterable[str]) -> list[LoggedDecision]:
    """One decision a line; empty lines are passed over. Raises DecisionsError."""
    decoder = msgspec.json.Decoder(LoggedDecision)
    found: list[LoggedDecision] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(found) >= MOST_DECISIONS:
            raise DecisionsError(f"line {number}: more than {MOST_DECISIONS} decisions: split the file by time")
        try:
            decision = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
            raise DecisionsError(
                f"line {number}: {problem}: export the decisions anew, or leave the line out"
            ) from None
        _check(number, decision)
        found.append(decision)
    return found


def _check(number: int, decision: LoggedDecision) -> None:
    total = sum(decision.propensities.values())
    if abs(total - 1.0) > _SUM_TOLERANCE:
        raise DecisionsError(f"line {number}: `propensities` add up to {total:.3f} instead of 1: export them whole")
    if decision.action not in decision.propensities:
        raise DecisionsError(f"line {number}: `action` {decision.action} has no propensity: it cannot have been drawn")
    both = set(decision.masked) & set(decision.propensities)
    if both:
        raise DecisionsError(f"line {number}: {min(both)} is masked and has a propensity: one of them is wrong")
    if decision.reward is not None and not isfinite(decision.reward):
        raise DecisionsError(f"line {number}: `reward` is no number: write null where none was seen")


def log_of(decisions: Sequence[LoggedDecision]) -> tuple[Log, str]:
    """Columns, and what intervals resample: clients, or sessions where there are fewer than FEWEST_CLIENTS of them."""
    n = len(decisions)
    propensity, expected = np.zeros((n, N_ARMS)), np.zeros((n, N_ARMS))
    for row, each in enumerate(decisions):
        for arm, chance in each.propensities.items():
            propensity[row, INDEX[arm]] = chance
        for arm, value in each.expected.items():
            expected[row, INDEX[arm]] = value
    clients = {each.client for each in decisions}
    by = "clients" if len(clients) >= FEWEST_CLIENTS else "sessions"
    names = [each.client if by == "clients" else f"{each.client}/{each.session}" for each in decisions]
    log = Log(
        propensity=propensity,
        action=np.array([INDEX[each.action] for each in decisions], dtype=np.int64),
        reward=np.array([np.nan if each.reward is None else each.reward for each in decisions], dtype=np.float64),
        context=np.array([_context(each) for each in decisions]).reshape(n, len(_CONTEXT)),
        unit=unit_numbers(names),
        reference=np.array(
            [-1 if each.reference is None else INDEX[each.reference] for each in decisions], dtype=np.int64
        ),
        expected=expected,
    )
    return log, by


def _context(decision: LoggedDecision) -> list[float]:
    found = []
    for name, usual, scale in _CONTEXT:
        value = decision.context.get(name)
        number = float(value) if isinstance(value, (int, float)) and isfinite(value) else usual
        found.append((number - usual) / scale)
    return found


def reward_after(at_ms: int, sets: Sequence[SetOutcome]) -> tuple[float | None, SetOutcome | None]:
    """What the first set after a decision brought, and that set; `sets`: those of its session, oldest first."""
    following = next((each for each in sets if each.at_ms >= at_ms), None)
    return (None, None) if following is None else (benefit(following), following)


def counts_of(decisions: Sequence[LoggedDecision]) -> Counter[str]:
    """How often each arm was proposed, by name."""
    return Counter(each.action.value for each in decisions)
