"""Which sessions get a version that has a share: always the same, about as many as asked, never of a safety model."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.inference.choice import Choice, drawn, read_choice
from emdr_stream.wire.values import ModelRef
from tests.tiny_model import write_release

ONE, TWO = (ModelRef(name="effectiveness", version=version, sha256="0" * 64) for version in "12")


def test_about_the_share_of_the_sessions_gets_the_other_version() -> None:
    choice = Choice(ONE, TWO, 0.1)
    others = sum(choice.of(f"s{number}") is TWO for number in range(20_000))
    assert 1_800 < others < 2_200  # five standard deviations are 212


@given(st.text(max_size=40))
def test_a_session_always_gets_the_same_version_and_a_larger_share_takes_nobody_back(session: str) -> None:
    assert drawn("m", session) == drawn("m", session)
    if Choice(ONE, TWO, 0.2).of(session) is TWO:
        assert Choice(ONE, TWO, 0.4).of(session) is TWO


def test_the_draw_is_the_same_on_every_machine() -> None:
    assert drawn("effectiveness", "s1") == pytest.approx(0.551149959, abs=1e-9)


def test_the_draws_of_two_models_have_nothing_to_do_with_one_another() -> None:
    both = sum(drawn("a", f"s{n}") < 0.5 and drawn("b", f"s{n}") < 0.5 for n in range(4_000))
    assert 860 < both < 1_140


def test_a_safety_model_has_no_share_whatever_a_file_says(tmp_path: Path) -> None:
    write_release(tmp_path, version="2")
    write_release(tmp_path, version="1")
    (tmp_path / "trials.json").write_text(json.dumps({"emotion_safety": {"share": {"version": "2", "share": 0.5}}}))
    choice = read_choice(tmp_path, "emotion_safety")
    assert choice is not None
    assert [ref.version for ref in choice.all] == ["1"]
    assert read_choice(tmp_path, "effectiveness") is None
