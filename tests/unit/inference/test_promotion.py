"""Which versions may be put in use, and what a refusal says."""

from typing import Any

import pytest

from emdr_stream.errors import ConfigurationError
from emdr_stream.evaluation.gates import GATES, Gate
from emdr_stream.inference.manifest import Manifest, Target
from emdr_stream.inference.promotion import (
    Deviation,
    Judgement,
    SignOff,
    is_safety,
    judge,
    parse_deviation,
    parse_sign_off,
    wanted_of,
)

SENSITIVITY = Gate("iid.sensitivity", 0.9, 0.95, "events found", True)
ALARMS = Gate("iid.false_alarms_per_hour", 1.0, 0.5, "false alarms an hour")
WANTED = (SENSITIVITY, ALARMS)
SIGNED = SignOff("Ada Byron", "clinical lead", "it finds more and alarms less")


def metrics(sensitivity: float | None, alarms: float | None) -> dict[str, Any]:
    def figure(value: float | None, spread: float) -> dict[str, Any]:
        return {
            "value": value,
            "low": None if value is None else value - spread,
            "high": None if value is None else value + spread,
        }

    return {"iid": {"sensitivity": figure(sensitivity, 0.05), "false_alarms_per_hour": figure(alarms, 0.3)}}


def judged(candidate: dict[str, Any], current: dict[str, Any] | None, **how: Any) -> Judgement:
    return judge("emotion_safety", candidate, current, WANTED, **{"sign_off": SIGNED, **how})


def test_a_version_that_reaches_every_target_is_allowed() -> None:
    judgement = judged(metrics(0.93, 0.6), metrics(0.91, 0.8))
    assert (judgement.refused, judgement.missed, judgement.basis) == ((), (), "every target is reached")


def test_a_safety_model_is_never_allowed_without_a_signature() -> None:
    (said,) = judged(metrics(0.93, 0.6), None, sign_off=None).refused
    assert "--sign-off" in said
    assert judge("progress", metrics(0.93, 0.6), None, WANTED).refused == ()


def test_a_worse_version_is_refused_with_each_reason_whoever_signs() -> None:
    refused = judged(metrics(0.50, 2.5), metrics(0.91, 0.8)).refused
    assert len(refused) == 2
    assert "events found: 0.5" in refused[0] and "worse than 0.91" in refused[0]
    assert "false alarms an hour: 2.5" in refused[1] and "worse than 0.8" in refused[1]


def test_a_version_below_a_target_is_allowed_where_it_is_better_than_one_that_misses_it_too() -> None:
    judgement = judged(metrics(0.75, 0.7), metrics(0.61, 0.8))
    assert judgement.refused == ()
    assert [result.name for result in judgement.missed] == ["iid.sensitivity"]
    assert "better than the present version" in judgement.basis


@pytest.mark.parametrize("sensitivity", [0.61, 0.60])
def test_a_version_below_a_target_that_is_no_better_is_refused(sensitivity: float) -> None:
    (said,) = judged(metrics(sensitivity, 0.7), metrics(0.61, 0.8)).refused
    assert "0.9 asked; no better than 0.61 at present" in said


def test_being_better_in_one_target_buys_no_loss_in_another() -> None:
    refused = judged(metrics(0.75, 1.4), metrics(0.61, 0.8)).refused
    assert any("false alarms an hour: 1.4" in said and "worse than 0.8" in said for said in refused)
    assert any("events found: 0.75" in said for said in refused)


def test_a_first_version_must_reach_its_targets() -> None:
    assert judged(metrics(0.75, 0.7), None).refused != ()


def test_what_was_not_measured_is_not_shown() -> None:
    assert any("not measured" in said for said in judged(metrics(None, 0.7), metrics(0.61, 0.8)).refused)
    assert any("never evaluated" in said for said in judged({}, None).refused)
    assert any("never evaluated" in said for said in judge("progress", metrics(1.0, 0.0), None, ()).refused)


def test_a_named_target_with_a_reason_is_a_deviation() -> None:
    accepted = Deviation(("iid.sensitivity",), "the ward has one-to-one watch")
    judgement = judged(metrics(0.5, 0.7), metrics(0.61, 0.8), deviation=accepted)
    assert (judgement.refused, judgement.basis) == ((), "deviation: iid.sensitivity")
    assert judged(metrics(0.5, 1.7), metrics(0.61, 0.8), deviation=accepted).refused != ()


def test_a_deviation_from_what_is_reached_is_refused_as_a_slip() -> None:
    (said,) = judged(metrics(0.93, 0.6), None, deviation=Deviation(("iid.sensitivty",), "a slip of the pen")).refused
    assert "iid.sensitivty" in said and "no target that this version misses" in said


@pytest.mark.parametrize(
    ("text", "reason", "named"),
    [
        ("Ada Byron", "a good reason", "--sign-off"),
        (", lead", "a good reason", "--sign-off"),
        ("A, b", "ok", "--reason"),
    ],
)
def test_a_signature_that_says_nothing_is_refused(text: str, reason: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        parse_sign_off(text, reason)


def test_a_signature_has_a_name_a_role_and_a_reason() -> None:
    assert parse_sign_off(None, None) is None
    assert parse_sign_off("Ada Byron, clinical lead", "it finds more and alarms less") == SIGNED
    assert SIGNED.by == "Ada Byron, clinical lead"


def test_a_deviation_needs_both_its_parts() -> None:
    assert parse_deviation([], None) == Deviation()
    with pytest.raises(ConfigurationError, match="--because"):
        parse_deviation(["x"], None)
    with pytest.raises(ConfigurationError, match="--despite"):
        parse_deviation([], "a reason without a target")


def test_safety_models_have_the_projects_targets_and_others_those_of_the_version_in_use() -> None:
    own = Manifest(
        name="progress",
        version="1",
        file="f",
        sha256="0" * 64,
        inputs={},
        outputs={},
        vectors_sha256="0" * 64,
        targets=(Target(name="rmse", must=5.0),),
    )
    lax = Manifest(
        **{**{f: getattr(own, f) for f in own.__struct_fields__}, "targets": (Target(name="rmse", must=99.0),)}
    )
    assert wanted_of("emotion_safety", lax) is GATES
    assert [gate.must for gate in wanted_of("progress", own, lax)] == [5.0]
    assert [gate.must for gate in wanted_of("progress", None, lax)] == [99.0]
    assert [is_safety(name) for name in ("emotion_safety", "safety_crisis", "face_expression")] == [True, True, False]
