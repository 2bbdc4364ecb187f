"""`emdr-stream personalization evaluate`: tables of what logs tell, and errors that say what to do."""

import json
from pathlib import Path

import msgspec
import pytest

from emdr_stream.__main__ import main
from training.personalization.exporting import decisions_of
from training.personalization.measuring import Measurement


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = decisions_of(Measurement(logged=30, logged_sessions=3, seed=3))
    path = tmp_path_factory.mktemp("log") / "decisions.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(each) for each in found) + b"\n")
    return path


def test_each_way_of_deciding_gets_its_row_with_intervals(decisions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["personalization", "evaluate", str(decisions)]) == 0
    out = capsys.readouterr().out
    for words in ("always the therapist's own setting", "each listed arm alike", "always the best expected arm"):
        assert words in out
    assert "intervals resample clients" in out
    assert "No effect of a therapy" in out


def test_json_tells_the_same_and_the_seed_fixes_it(decisions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for targets in (["--target", "reference"], []):
        assert main(["personalization", "evaluate", str(decisions), "--json", *targets]) == 0
        told.append(json.loads(capsys.readouterr().out))
    one, every = told
    (reference,) = one["values"]
    assert reference == next(each for each in every["values"] if each["target"] == "reference")
    interval = reference["doubly_robust"]
    assert interval["low"] < interval["value"] < interval["high"]
    assert reference["ess"] >= 30.0


def test_too_few_decisions_are_told_as_such_with_status_1(
    decisions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(decisions.read_text().splitlines()[:12]) + "\n")
    assert main(["personalization", "evaluate", str(few)]) == 1
    assert "not enough data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "write one a line"), ("nonsense\n", "line 1"), (None, "name a file of decisions"), ("\xff", "UTF-8")],
    ids=["empty", "nonsense", "missing", "not text"],
)
def test_what_cannot_be_read_is_named_with_the_mend(
    text: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.jsonl"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    assert main(["personalization", "evaluate", str(path)]) == 2
    assert why in capsys.readouterr().err


def test_a_policy_that_is_not_there_is_named_with_those_that_are(
    decisions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["personalization", "evaluate", str(decisions), "--policy", "other"]) == 2
    assert "conservative-thompson-1" in capsys.readouterr().err
