"""In: what a candidate and the version in use were measured at, and who asks. Out: whether it may be put in use; pure.

A safety model always needs a person who signs for it. The figures decide what that person may sign: a version that
reaches every target; one that misses some, but is better than the present one in each that the present one misses and
worse in none; or one whose missed targets are named and given a reason, one by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from emdr_stream.errors import ConfigurationError
from emdr_stream.evaluation.gates import GATES, Gate, GateResult, figure, gates, regressions
from emdr_stream.inference.manifest import EMOTION_SAFETY, Manifest, Target

_SAFETY_PREFIX: Final = "safety_"
_LEAST_REASON: Final = 12
"""Characters of a reason; a word is none."""
_LONGEST: Final = 500


class PromotionRefused(ConfigurationError):
    """A version is not put in use; `reasons` says why, one sentence each."""

    def __init__(self, what: str, reasons: Sequence[str]) -> None:
        super().__init__("\n  - ".join([f"{what}:", *reasons]))
        self.reasons = tuple(reasons)


@dataclass(frozen=True, slots=True)
class SignOff:
    """Who answers for a step in a model's life. `role`: in what capacity."""

    name: str
    role: str
    reason: str

    @property
    def by(self) -> str:
        return f"{self.name}, {self.role}"


@dataclass(frozen=True, slots=True)
class Deviation:
    """Targets that a person accepts as missed, and why."""

    names: tuple[str, ...] = ()
    because: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`refused`: sentences, none when it may be put in use; `missed`: the targets that it misses; `basis`: what allows
    it, in words for the audit log."""

    refused: tuple[str, ...]
    missed: tuple[GateResult, ...]
    basis: str


def is_safety(name: str) -> bool:
    """Whether a model's mistakes can harm: these are promoted by a person, never by a program, and never shared out."""
    return name == EMOTION_SAFETY or name.startswith(_SAFETY_PREFIX)


def wanted_of(name: str, *manifests: Manifest | None) -> tuple[Gate, ...]:
    """The targets that count for a model: the project's own, or those of the first of `manifests` that has any."""
    if is_safety(name):
        return GATES
    found = next((manifest.targets for manifest in manifests if manifest is not None and manifest.targets), ())
    return tuple(map(_gate, found))


def parse_sign_off(text: str | None, reason: str | None) -> SignOff | None:
    """`NAME, ROLE` and a reason. Raises ConfigurationError when one of them is missing or says nothing."""
    if text is None and reason is None:
        return None
    name, _, role = (part.strip() for part in (text or "").partition(","))
    if not name or not role or len(text or "") > _LONGEST:
        raise ConfigurationError('--sign-off: give a name and a role, as in --sign-off "Dr. Ada Byron, clinical lead"')
    return SignOff(name, role, _reason("--reason", reason))


def parse_deviation(names: Sequence[str], because: str | None) -> Deviation:
    """Raises ConfigurationError when one is given without the other."""
    if not names and because is None:
        return Deviation()
    if not names:
        raise ConfigurationError("--because: says why a target may be missed: name the target with --despite")
    return Deviation(tuple(names), _reason("--because", because))


def judge(
    name: str,
    candidate: Mapping[str, Any],
    current: Mapping[str, Any] | None,
    wanted: Sequence[Gate],
    *,
    deviation: Deviation | None = None,
    sign_off: SignOff | None = None,
) -> Judgement:
    """Whether a version with the metrics `candidate` may take the place of one with `current` (None: of none)."""
    accepted = set(deviation.names) if deviation else set()
    missed = [result for result in gates(candidate, wanted) if not result.passed]
    worse = [] if current is None else regressions(candidate, current, wanted)
    better, behind = _compared(candidate, current, missed, wanted)
    refused = [result.why for result in worse if result.name not in accepted]
    named = {result.name for result in worse}
    if not better:
        open_ = [result for result in missed if result.name not in accepted and result.name not in named]
        refused += [result.why + behind.get(result.name, "") for result in open_]
    known = {result.name for result in (*missed, *worse)}
    refused += [f"--despite {each}: is no target that this version misses" for each in sorted(accepted - known)]
    if not candidate or not wanted:
        refused.insert(0, "it was never evaluated, or no targets are set for it: evaluate it first")
    if is_safety(name) and sign_off is None:
        refused.append('a safety model needs a person who answers for it: --sign-off "NAME, ROLE" --reason "…"')
    return Judgement(tuple(refused), tuple(missed), _basis(missed, worse, better, accepted))


def _compared(
    candidate: Mapping[str, Any],
    current: Mapping[str, Any] | None,
    missed: Sequence[GateResult],
    wanted: Sequence[Gate],
) -> tuple[bool, dict[str, str]]:
    """Whether the candidate is better in all that the present one misses and behind in nothing that it misses itself;
    and for each target in which it is not, the words for it."""
    if current is None:
        return False, {}
    missing = {result.name for result in missed}
    behind: dict[str, str] = {}
    for gate in wanted:
        value, now = figure(candidate, gate.name)[0], figure(current, gate.name)[0]
        present_misses = now is None or not gate.holds(now, gate.must)
        if value is None:
            behind[gate.name] = ""
        elif now is not None and (present_misses or gate.name in missing) and (value == now or gate.holds(now, value)):
            behind[gate.name] = f"; no better than {now:.3g} at present"
    return not behind, behind


def _basis(missed: Sequence[GateResult], worse: Sequence[GateResult], better: bool, accepted: set[str]) -> str:
    if not missed and not worse:
        return "every target is reached"
    if better and not worse:
        return "better than the present version in every target that it misses, and worse in none"
    return f"deviation: {', '.join(sorted(accepted))}"


def _gate(target: Target) -> Gate:
    ambitious = target.must if target.ambitious is None else target.ambitious
    return Gate(target.name, target.must, ambitious, target.what or target.name, target.at_least)


def _reason(option: str, text: str | None) -> str:
    reason = (text or "").strip()
    if len(reason) < _LEAST_REASON or len(reason) > _LONGEST:
        raise ConfigurationError(f"{option}: say why in a sentence of {_LEAST_REASON} to {_LONGEST} characters")
    return reason
