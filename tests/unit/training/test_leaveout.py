"""Leaving a family out: what is hidden stays hidden, what is asked for is that family alone."""

from dataclasses import replace

import pytest

from emdr_stream.simulation import Family
from training import leaveout
from training.__main__ import main
from training.config import TrainingConfig, load_config
from training.leaveout import CONTAINED, leave_out
from training.run import Silence, Trained, train_network


@pytest.mark.timeout(300)
def test_the_family_and_all_that_may_hold_it_are_hidden_and_then_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[TrainingConfig] = []

    def watched(config: TrainingConfig, *args: object, **more: object) -> Trained:
        seen.append(config)
        return train_network(config, Silence())

    monkeypatch.setattr(leaveout, "train_network", watched)
    config = load_config()
    cohort = replace(config.cohort, training_sessions=12, validation_sessions=4, duration_s=(200.0, 220.0))
    config = replace(config, cohort=cohort, network=replace(config.network, hidden=(8,), epochs=1, batch=4))
    asked = leave_out(config, Family.PANIC, 3, Silence(), 1)
    hidden = {Family.PANIC, *CONTAINED[Family.PANIC]}
    assert [hidden & set(each.cohort.weights) for each in seen] == [set(), set(), hidden]
    assert [each.cohort.wandering_share for each in seen] == [0.0, cohort.wandering_share, cohort.wandering_share]
    assert len(asked) == 3 and all(0.0 <= each.family.sensitivity <= 1.0 for each in asked)


def test_a_number_of_sessions_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leave-out", "--family", "panic", "--asked", "0"]) == 2
    assert "at least 1" in capsys.readouterr().out
