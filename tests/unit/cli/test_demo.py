"""Each scenario of the demo, through the core and the shipped model, on virtual time: it shows what it promises."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest

from emdr_stream.cli.demo import BASELINE_S, SCENARIOS, Scenario, readings, script
from emdr_stream.domain import AlertKind, AlertState, PauseCause, Source
from emdr_stream.inference.batch import RowScorer
from emdr_stream.inference.models import load_current
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.session.core import SessionCore
from emdr_stream.session.effects import Analyse, Effect, Raise, Send
from emdr_stream.session.facts import SessionFacts
from emdr_stream.settings import BaselineSettings, SessionSettings
from emdr_stream.wire.stream import Applied, ClientMessage, ControlPause, Result

_TOLD_WITHIN_MS: Final = 75_000
"""A pause that comes later leaves no time for its alert, its acknowledgement and the way on within two minutes."""
_LONGEST_MS: Final = 118_000
_MODELS: Final = Path(__file__).resolve().parents[3] / "models"


class Told:
    """What the service says while a scenario plays, with the session time of each."""

    def __init__(self, scenario: Scenario) -> None:
        settings = replace(SessionSettings(), baseline=BaselineSettings(duration_s=float(BASELINE_S)))
        facts = SessionFacts(session_id="demo", user="demo-client", source=Source.EMOTION, started_ts=0)
        self._core = SessionCore(facts, settings)
        self._scorer = RowScorer(load_current(_MODELS, feature_names=FEATURE_NAMES).graph)
        self.effects: list[tuple[int, Effect]] = []
        self._take(self._core.connected(0, epoch=1, resume_token="demo"), 0)
        played = script(scenario)
        for timed in played.messages:
            while self._core.wake_ms <= timed.at_ms:
                wake_ms = int(np.ceil(self._core.wake_ms))
                self._take(self._core.advance(wake_ms), wake_ms)
            message = msgspec.convert(timed.message, ClientMessage)
            self._take(self._core.client(message, timed.at_ms), timed.at_ms)
        self.length_ms = played.duration_ms

    def _take(self, effects: list[Effect], at_ms: int) -> None:
        for effect in effects:
            self.effects.append((at_ms, effect))
            if isinstance(effect, Send) and isinstance(effect.message, ControlPause):
                # As the simulated client does: it is here, and the light is at rest.
                epoch = effect.message.control_epoch
                self._take(self._core.client(Applied(control_epoch=epoch), at_ms), at_ms)
                self._take(self._core.client(Applied(control_epoch=epoch, stopped_ts=float(at_ms)), at_ms), at_ms)
            if isinstance(effect, Analyse):
                scores = self._scorer.score(effect.row[None])[0]
                self._take(self._core.scored(effect.ticket, scores, at_ms), at_ms)

    @property
    def pauses(self) -> list[tuple[int, str]]:
        sent = [(at_ms, e.message) for at_ms, e in self.effects if isinstance(e, Send)]
        return [(at_ms, message.reason) for at_ms, message in sent if isinstance(message, ControlPause)]

    def raised(self) -> list[tuple[int, AlertKind]]:
        bodies = [(at_ms, e.body) for at_ms, e in self.effects if isinstance(e, Raise)]
        return [(at_ms, body.kind) for at_ms, body in bodies if body.state is AlertState.RAISED]

    def is_judged(self) -> bool:
        """Whether the models have been heard: the baseline stood."""
        sent = [e.message for _, e in self.effects if isinstance(e, Send)]
        return any(m.safety.crisis_probability is not None for m in sent if isinstance(m, Result))


@cache
def told(name: str) -> Told:
    return Told(SCENARIOS[name])


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_fits_into_two_minutes_and_its_baseline_stands(name: str) -> None:
    assert told(name).length_ms <= _LONGEST_MS
    assert told(name).is_judged()


EITHER = (PauseCause.CRISIS, PauseCause.DISSOCIATION)


@pytest.mark.parametrize(
    ("name", "causes", "kind"),
    [("escalation", EITHER[:1], AlertKind.CRISIS), ("shutdown", EITHER, AlertKind.DISSOCIATION)],
)
def test_what_should_pause_pauses_early_enough_to_be_seen_through(
    name: str, causes: tuple[PauseCause, ...], kind: AlertKind
) -> None:
    """A shutdown may be paused as a crisis before its form is certain; the therapist is told of that in time."""
    at_ms, why = told(name).pauses[0]
    assert why in causes
    assert BASELINE_S * 1_000 < at_ms <= _TOLD_WITHIN_MS
    named_ms = next(at_ms for at_ms, raised in told(name).raised() if raised is kind)
    assert BASELINE_S * 1_000 < named_ms <= _TOLD_WITHIN_MS


@pytest.mark.parametrize("name", ["abreaction", "calm"])
def test_what_should_not_pause_does_not(name: str) -> None:
    assert told(name).pauses == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_clients_page_plays_the_same_readings(name: str) -> None:
    played = msgspec.json.decode(readings(name))
    assert played["scenario"] == name
    sent = [timed for timed in script(SCENARIOS[name]).messages if timed.message["type"] == "sample"]
    assert [at_ms for at_ms, _ in played["samples"]] == [timed.at_ms for timed in sent]
    for (_, reading), timed in zip(played["samples"], sent, strict=True):
        assert {**timed.message, **reading} == timed.message
        assert set(timed.message) - set(reading) == {"type", "ts"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_clients_page_says_in_both_languages_what_it_plays(name: str, repository: Path) -> None:
    for language in ("en", "ru"):
        words = repository / "emdr_stream" / "browser" / "pages" / "client" / "words" / f"{language}.js"
        assert f'"source.demo.{name}": "' in words.read_text(encoding="utf-8")
