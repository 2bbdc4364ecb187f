"""What a models folder remembers: what is in use, what is tried, and what was before."""

import json
from pathlib import Path

import pytest

from emdr_stream.errors import ModelRefused
from emdr_stream.inference.lives import (
    Share,
    Step,
    Trial,
    changing,
    former_version,
    read_history,
    read_trials,
    untold,
    whose_decision,
)
from emdr_stream.inference.manifest import current_versions

NAME = "emotion_safety"


def promoted(version: str, former: str | None) -> Step:
    return Step(ts_ms=1, action="promote", model=NAME, version=version, former=former)


def rolled_back(version: str, former: str) -> Step:
    return Step(ts_ms=1, action="rollback", model=NAME, version=version, former=former)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "current.json").write_text(json.dumps({NAME: "1", "other": "7"}))
    return tmp_path


@pytest.mark.parametrize(
    ("steps", "current", "former"),
    [
        ([], "1", None),
        ([promoted("2", "1")], "2", "1"),
        ([promoted("2", "1"), promoted("3", "2")], "3", "2"),
        ([promoted("2", "1"), promoted("3", "2"), rolled_back("2", "3")], "2", "1"),
        ([promoted("2", "1"), rolled_back("1", "2")], "1", None),
        ([promoted("2", "1"), rolled_back("1", "2"), promoted("3", "1")], "3", "1"),
        ([promoted("2", "1"), promoted("3", "2"), rolled_back("2", "3"), promoted("4", "2")], "4", "2"),
        # One that was promoted again: it was looked for where it stood first, and before that there was none.
        ([promoted("2", "1"), promoted("1", "2")], "1", "2"),
        ([promoted("2", "1"), promoted("1", "2"), promoted("3", "1"), rolled_back("1", "3")], "1", "2"),
        ([promoted("2", "1"), promoted("1", "2"), rolled_back("2", "1")], "2", None),
        ([promoted("2", "1"), promoted("1", "2"), promoted("2", "1"), rolled_back("1", "2")], "1", None),
    ],
)
def test_a_rollback_goes_to_what_was_in_use_before_and_never_to_what_was_withdrawn(
    steps: list[Step], current: str, former: str | None
) -> None:
    other = Step(ts_ms=1, action="promote", model="other", version="9", former="8")
    assert former_version([other, *steps], NAME, current) == former


def test_a_step_is_on_the_disk_and_the_other_models_stay_as_they_are(folder: Path) -> None:
    step = promoted("2", "1")
    with changing(folder) as lives:
        lives.put_in_use(NAME, "2")
        lives.note(step)
    assert current_versions(folder) == {NAME: "2", "other": "7"}
    assert read_history(folder) == [step]


def test_a_trial_ends_when_its_version_is_put_in_use(folder: Path) -> None:
    with changing(folder) as lives:
        lives.try_out(NAME, Trial(shadow="2"))
        lives.try_out("other", Trial(share=Share(version="8", share=0.25)))
        assert read_trials(folder) == {NAME: Trial(shadow="2"), "other": Trial(share=Share(version="8", share=0.25))}
        lives.put_in_use(NAME, "2")
        lives.put_in_use("other", "9")
    assert read_trials(folder) == {"other": Trial(share=Share(version="8", share=0.25))}


def test_what_the_audit_log_was_not_told_is_kept_until_it_is(folder: Path) -> None:
    with changing(folder) as lives:
        lives.note(promoted("2", "1"))
        assert untold(folder, lives.history) == [promoted("2", "1")]
        lives.note(rolled_back("1", "2"))
        lives.all_told()
    assert untold(folder, read_history(folder)) == []


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2])
def test_a_share_is_a_part_and_never_all_or_none(folder: Path, share: float) -> None:
    (folder / "trials.json").write_text(json.dumps({"other": {"share": {"version": "8", "share": share}}}))
    with pytest.raises(ModelRefused, match=r"trials\.json"):
        read_trials(folder)


def test_a_broken_history_names_its_line(folder: Path) -> None:
    (folder / "history.jsonl").write_bytes(b'{"ts_ms":1,"action":"promote","model":"m","version":"2"}\n{"ts_ms":\n')
    with pytest.raises(ModelRefused, match="line 2"):
        read_history(folder)


def test_whose_decision_a_version_in_use_was_is_told_and_a_change_by_hand_shows() -> None:
    signed = Step(
        ts_ms=1, action="promote", model=NAME, version="2", former="1", by="Ada, lead", basis="every target is reached"
    )
    assert whose_decision([], NAME, "1") == "as released"
    assert whose_decision([signed], NAME, "2") == "signed for by Ada, lead: every target is reached"
    assert whose_decision([signed, rolled_back("1", "2")], NAME, "1") == "as released"
    assert whose_decision([signed], NAME, "3") == "put in use by hand: no step says so"
    assert whose_decision([signed], "other", "7") == "as released"
