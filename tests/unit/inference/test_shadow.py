"""A shadow remembers each session by itself, at the session's own steps, whatever the version in use remembers."""

import gc
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.domain import ANEW, BETWEEN, MEMORY_UNITS, STEP, Scores
from emdr_stream.errors import ModelFailed
from emdr_stream.inference.batch import Batch, Floats, Model, RowScorer, Said
from emdr_stream.inference.models import load_model
from emdr_stream.inference.shadow import ShadowScorer
from emdr_stream.pipeline.classify import Scored
from emdr_stream.pipeline.features import FEATURE_NAMES, MEMORY_AT, N_FEATURES, ROW_LENGTH, STEP_AT, Array
from tests.tiny_model import write_release


class Session:
    """One that asks."""

    def scores_ready(self, ticket: int, scores: Scores | None, queue_ms: float, infer_ms: float) -> None:
        """Nobody asks here."""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    names = list(FEATURE_NAMES)
    return load_model(write_release(tmp_path, width=N_FEATURES, feature_names=names, remembers=True)).graph


def row(number: int, step: bool) -> Array:
    """Sums of a clock that ran, so that features are numbers; another one for each `number`."""
    made = np.random.default_rng(number).uniform(0.5, 1.0, ROW_LENGTH)
    made[STEP_AT], made[MEMORY_AT:] = STEP if step else BETWEEN, 0.9
    return made


def alone(model: Model, rows: list[Array]) -> list[Scores]:
    """What the model says of one session's rows in their order, nothing else in the batch."""
    scorer, memory, said = RowScorer(model), bytes(4 * MEMORY_UNITS), []
    for each in rows:
        told = each.copy()
        told[MEMORY_AT:] = np.frombuffer(memory, "<f4")
        [scores] = scorer.score(told[None])
        memory = scores.memory or memory
        said.append(scores)
    return said


def test_each_session_is_remembered_by_itself(model: Model) -> None:
    told: dict[Scored, list[Scores | None]] = {}
    shadow = ShadowScorer(model, lambda asker, live, other: told.setdefault(asker, []).append(other))
    sessions = [Session() for _ in range(3)]
    rows = [[row(100 * who + turn, step=(turn + who) % 3 == 0) for turn in range(12)] for who in range(3)]
    live = RowScorer(model)
    for turn in range(12):
        order = np.random.default_rng(turn).permutation(3).tolist()
        scores = live.score(np.array([rows[who][turn] for who in order]))
        shadow.see(live.batch, [(sessions[who], turn) for who in order], scores)
    for who in range(3):
        assert told[sessions[who]] == alone(model, rows[who])
    assert shadow.failures == 0
    assert alone(model, rows[0])[5] != alone(model, rows[0][5:6])[0], "else nothing was remembered"


def test_a_session_that_is_gone_leaves_nothing(model: Model) -> None:
    shadow = ShadowScorer(model, lambda asker, live, other: None)
    live, session = RowScorer(model), Session()
    shadow.see(live.batch, [(session, 1)], live.score(row(1, step=True)[None]))
    assert len(shadow._memories) == 1
    del session
    gc.collect()
    assert len(shadow._memories) == 0


def test_a_session_that_begins_anew_is_met_anew(model: Model) -> None:
    told: list[Scores | None] = []
    shadow = ShadowScorer(model, lambda asker, live, other: told.append(other))
    live, session = RowScorer(model), Session()
    rows = [row(number, step=True) for number in range(4)]
    rows[3][STEP_AT] = ANEW
    for each in rows:
        shadow.see(live.batch, [(session, 1)], live.score(each[None]))
    [afresh] = alone(model, rows[3:])
    assert told[3] == afresh != alone(model, rows)[3]


class Broken:
    """Fails, or says what is no number."""

    def __init__(self) -> None:
        self.fails = True

    def run(self, features: Floats, memory: Floats) -> Said:
        if self.fails:
            raise ModelFailed("planted")
        nothing = np.full(len(features), np.nan, np.float32)
        states = np.repeat(nothing[:, None], 5, axis=1)
        return Said(states, nothing, nothing, states[:, :3], np.repeat(nothing[:, None], MEMORY_UNITS, axis=1))


def test_what_fails_is_not_remembered() -> None:
    told: list[Scores | None] = []
    broken = Broken()
    shadow = ShadowScorer(broken, lambda asker, live, other: told.append(other))
    batch, session = Batch(), Session()
    batch.steps = [1.0]
    calm = Scores((1.0, 0.0, 0.0, 0.0, 0.0), 0.1, 0.1, (0.0, 0.0, 0.0))
    shadow.see(batch, [(session, 1)], [calm])
    broken.fails = False
    shadow.see(batch, [(session, 2)], [calm])
    assert told == [None, None] and shadow.failures == 2
    assert len(shadow._memories) == 0


class Poisoned:
    """Remembers what it cannot read; says first that it knows nothing."""

    def __init__(self, remembers: float) -> None:
        self._remembers = np.float32(remembers)

    def run(self, features: Floats, memory: Floats) -> Said:
        risk = np.where(np.abs(memory[:, 0]) < 0.9, 0.5, np.nan).astype(np.float32)
        states = np.repeat(risk[:, None], 5, axis=1)
        return Said(states, risk, risk, states[:, :3], np.full_like(memory, self._remembers))


@pytest.mark.parametrize(
    ("remembers", "failed"), [(0.95, [False, True, False, True]), (3e38, [True] * 4), (np.nan, [True] * 4)]
)
def test_what_a_shadow_cannot_read_does_not_fail_it_for_ever(remembers: float, failed: list[bool]) -> None:
    told: list[Scores | None] = []
    shadow = ShadowScorer(Poisoned(remembers), lambda asker, live, other: told.append(other))
    batch, session = Batch(), Session()
    batch.steps = [STEP]
    for ticket in range(4):
        shadow.see(batch, [(session, ticket)], [Scores((1.0, 0.0, 0.0, 0.0, 0.0), 0.1, 0.1, (0.0, 0.0, 0.0))])
    assert [each is None for each in told] == failed
