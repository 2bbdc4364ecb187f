"""A recording in, the `out` lines of the same session out: every `in` line at its own time, through the service's code.

Nothing here reads a clock: a session is replayed as fast as the machine allows, and the same input gives the same
bytes. Scores come from the recording where it holds them, otherwise from the model, at once.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from math import ceil, inf
from typing import Any, Final, Protocol, assert_never

from emdr_stream.domain import Scores
from emdr_stream.errors import ModelFailed, ProtocolError
from emdr_stream.inference.batch import Model, RowScorer
from emdr_stream.pipeline.features import Array
from emdr_stream.recording.format import alert_line, facts_from_header, sent_line, settings_from_header
from emdr_stream.recording.reading import (
    Connected,
    DeadlineMissed,
    Disconnected,
    Entry,
    ModelFailedTold,
    ModelsChanged,
    OwnerChanged,
    Recording,
    ScoresTold,
    StoreDown,
    StoreUp,
    Told,
    read_recording,
)
from emdr_stream.recording.therapist import PatientTherapist
from emdr_stream.session.core import SessionCore
from emdr_stream.session.effects import Analyse, At, Effect, Raise, Send
from emdr_stream.wire.orders import Intervene, ReportAlert
from emdr_stream.wire.stream import Auth, Hello, Ping
from emdr_stream.wire.values import ModelRef
from emdr_stream.wire.watch import Ack, ConfigSet, EndCommand, PauseCommand, ResumeCommand

_ANSWERS: Final = (ScoresTold, ModelFailedTold, DeadlineMissed)
_OF_THE_CONNECTION: Final = (Hello, Auth, Ping)
_THERAPIST: Final = "replay"
_NO_TOKEN: Final = ""


class Scorer(Protocol):
    """What turns rows into scores; live and in replay that is a RowScorer around a model."""

    def score(self, rows: Array) -> list[Scores]:
        """Scores of rows, float64 (n, ROW_LENGTH). Raises ModelFailed."""


def replay(
    lines: Iterable[bytes],
    *,
    model: Model | None,
    models: tuple[ModelRef, ...] = (),
    resume_after_s: float | None = None,
    use_recorded_scores: bool = True,
    name: str = "recording",
) -> Iterator[bytes]:
    """The `out` lines, without line ends, of a recording's lines: reads them, then does as `replay_recording`."""
    recording = read_recording(lines, name)
    return replay_recording(
        recording,
        model=model,
        models=models,
        resume_after_s=resume_after_s,
        use_recorded_scores=use_recorded_scores,
    )


def replay_recording(
    recording: Recording,
    *,
    model: Model | None,
    models: tuple[ModelRef, ...] = (),
    resume_after_s: float | None = None,
    use_recorded_scores: bool = True,
    watch: Callable[[Effect, int], None] | None = None,
    until_ms: int = 0,
) -> Iterator[bytes]:
    """The `out` lines up to the time of the last `in` line, or of `until_ms` where that is later.

    Args:
        recording: What to replay.
        model: Scores what the recording holds no scores for; None: that is a failure of the model, as it is live.
        models: Who `model` is, told in place of the header's.
        resume_after_s: A therapist acknowledges and resumes this long after each pause; None: nobody does.
        use_recorded_scores: Whether `scores` lines count; otherwise every score is computed, and told when the one
            that the service recorded was.
        watch: Sees each effect with its session time.
        until_ms: Session time until which deadlines are still met; whoever vanishes says nothing any more, and is
            paused and given up all the same.

    Raises:
        RecordingError: For `settings` of the header that are none.
    """
    scorer = None if model is None else RowScorer(model)
    run = _Replay(recording, scorer, models, resume_after_s, use_recorded_scores, watch)
    for index, entry in enumerate(recording.entries):
        yield from run.step(index, entry)
    yield from run.wait(until_ms)


def watch_recording(
    recording: Recording,
    scorer: Scorer,
    watch: Callable[[Effect, int], None],
    *,
    models: tuple[ModelRef, ...] = (),
    resume_after_s: float | None = None,
) -> None:
    """As `replay_recording` with every score computed anew, for who wants the effects and no lines.

    Raises RecordingError for `settings` of the header that are none.
    """
    run = _Replay(recording, scorer, models, resume_after_s, False, watch, writes=False)
    for index, entry in enumerate(recording.entries):
        run.step(index, entry)


class _Replay:
    """One session being replayed."""

    def __init__(
        self,
        recording: Recording,
        scorer: Scorer | None,
        models: tuple[ModelRef, ...],
        resume_after_s: float | None,
        use_recorded_scores: bool,
        watch: Callable[[Effect, int], None] | None,
        *,
        writes: bool = True,
    ) -> None:
        entries, header = recording.entries, recording.header
        self._settings = settings_from_header(header)
        self._told_all = header.recorded_scores
        self._use_recorded = use_recorded_scores
        self._as_recorded = self._told_all and use_recorded_scores
        self._held: Scores | None = None
        hello = next((e.told for e in entries if isinstance(e.told, Hello) and e.told.resume is None), None)
        facts = facts_from_header(header, hello, () if self._as_recorded else models)
        self._core = SessionCore(facts, self._settings)
        self._scorer = scorer
        self._writes = writes
        self._therapist = None if resume_after_s is None else PatientTherapist(round(resume_after_s * 1_000))
        self._watch = watch
        first = next((e.told for e in entries if not isinstance(e.told, _OF_THE_CONNECTION)), None)
        self._connects_itself = not isinstance(first, Connected)
        self._tells_connections = any(isinstance(e.told, Connected) for e in entries)
        used = _ANSWERS if use_recorded_scores else ()
        self._answers = [index for index, entry in enumerate(entries) if isinstance(entry.told, used)]
        self._entries = entries
        self._index = 0
        self._connected = False
        self._epoch = 1
        self._ticket = 0
        self._seq = 0
        self._now_ms = 0
        self._out: list[bytes] = []

    def step(self, index: int, entry: Entry) -> list[bytes]:
        """Everything up to and including one `in` line."""
        self._index = index
        if not self._connected and self._connects_itself:
            self._take(self._connect(Connected(), 0), 0)
        if self._therapist is not None:
            self._let_act(self._therapist, entry.at_ms)
        self._now_ms = entry.at_ms
        try:
            effects = self._told(entry.told, entry.by, entry.at_ms)
        except ProtocolError:
            # Told to the watcher alone; what fell due before the refused command is still to be taken.
            effects = self._core.advance(entry.at_ms)
        self._take(effects, entry.at_ms)
        taken, self._out = self._out, []
        return taken

    def wait(self, until_ms: int) -> list[bytes]:
        """Everything that falls due until then, while nothing more is heard."""
        if self._connected and until_ms > self._now_ms:
            if self._therapist is not None:
                self._let_act(self._therapist, until_ms)
            self._now_ms = until_ms
            self._take(self._core.advance(until_ms), until_ms)
        taken, self._out = self._out, []
        return taken

    def _told(self, told: Told, by: str | None, at_ms: int) -> list[Effect]:
        core = self._core
        if isinstance(told, _OF_THE_CONNECTION):
            return self._greeted(told, at_ms)
        if isinstance(told, Ack):
            return core.acknowledge(told.alert_id, by or _THERAPIST, told.note, at_ms)
        if isinstance(told, (PauseCommand, ResumeCommand, EndCommand, ConfigSet, ReportAlert, Intervene)):
            return core.command(told, by or _THERAPIST, at_ms)
        if isinstance(told, (ScoresTold, ModelFailedTold, DeadlineMissed)):
            return self._answered(told, at_ms)
        if isinstance(told, (Connected, Disconnected, StoreDown, StoreUp, OwnerChanged, ModelsChanged)):
            return self._happened(told, at_ms)
        return core.client(told, at_ms)

    def _greeted(self, told: Hello | Auth | Ping, at_ms: int) -> list[Effect]:
        """Messages for the connection; a `hello` that resumes stands for one where no `connected` does."""
        if isinstance(told, Hello) and told.resume is not None and not self._tells_connections:
            return self._connect(Connected(last_seq=told.resume.last_seq), at_ms)
        return self._core.advance(at_ms)

    def _happened(
        self, told: Connected | Disconnected | StoreDown | StoreUp | OwnerChanged | ModelsChanged, at_ms: int
    ) -> list[Effect]:
        core = self._core
        match told:
            case Connected():
                return self._connect(told, at_ms)
            case Disconnected():
                return core.disconnected(at_ms)
            case StoreDown():
                return core.store_changed(told.store, False, at_ms)
            case StoreUp():
                return core.store_changed(told.store, True, at_ms)
            case OwnerChanged():
                self._epoch = max(self._epoch, told.epoch)
                return core.owner_changed(told.epoch, at_ms)
            case ModelsChanged():
                # Where one model scores the whole recording anew, it is that one which speaks throughout.
                return core.models_changed(told.models, at_ms) if self._as_recorded else core.advance(at_ms)
            case _:
                assert_never(told)

    def _connect(self, told: Connected, at_ms: int) -> list[Effect]:
        self._epoch = max(self._epoch, told.epoch or 0)
        last_seq = told.last_seq
        if self._connected and last_seq is None:
            last_seq = self._seq
        if self._connected:
            self._take(self._core.settle(at_ms), at_ms)
        self._connected = True
        return self._core.connected(at_ms, epoch=self._epoch, resume_token=_NO_TOKEN, last_seq=last_seq)

    # scores -------------------------------------------------------------------------------------------------------

    def _answered(self, told: ScoresTold | ModelFailedTold | DeadlineMissed, at_ms: int) -> list[Effect]:
        core = self._core
        if isinstance(told, DeadlineMissed) and self._told_all:
            # The core sees it by itself.
            return core.advance(at_ms)
        if self._use_recorded:
            scores = told.scores() if isinstance(told, ScoresTold) else None
        elif self._told_all:
            scores, self._held = self._held, None
        else:
            return core.advance(at_ms)
        if scores is None:
            return core.model_failed(self._ticket, at_ms)
        return core.scored(self._ticket, scores, at_ms)

    def _score(self, asked: Analyse) -> list[Effect]:
        self._ticket = asked.ticket
        if self._use_recorded and (self._told_all or self._answer_follows()):
            return []
        scores = self._scores_of(asked.row)
        if self._told_all:
            self._held = scores
            return []
        if scores is None:
            return self._core.model_failed(asked.ticket, self._now_ms)
        return self._core.scored(asked.ticket, scores, self._now_ms)

    def _scores_of(self, row: Any) -> Scores | None:
        """None when no scores can be had."""
        try:
            return None if self._scorer is None else self._scorer.score(row[None])[0]
        except ModelFailed:
            return None

    def _answer_follows(self) -> bool:
        """Whether the recording answers within the deadline."""
        place = bisect_right(self._answers, self._index)
        if place == len(self._answers):
            return False
        return self._entries[self._answers[place]].at_ms - self._now_ms < self._settings.safety.score_deadline_ms

    # effects and time ---------------------------------------------------------------------------------------------

    def _take(self, effects: list[Effect], at_ms: int) -> None:
        """Write effects down, and answer what they ask."""
        asked = None
        for effect in effects:
            if isinstance(effect, At):
                at_ms = effect.ms
            elif isinstance(effect, Analyse):
                asked = effect
                if self._watch is not None:
                    self._watch(effect, at_ms)
            else:
                self._write(effect, at_ms)
        if asked is not None:
            self._take(self._score(asked), self._now_ms)

    def _write(self, effect: Effect, at_ms: int) -> None:
        if isinstance(effect, Send):
            self._seq = max(self._seq, getattr(effect.message, "seq", 0))
        line = _line_of(effect, at_ms) if self._writes else None
        if line is not None:
            self._out.append(line)
        if self._therapist is not None:
            self._therapist.see(effect, at_ms)
        if self._watch is not None:
            self._watch(effect, at_ms)

    def _let_act(self, therapist: PatientTherapist, until_ms: int) -> None:
        """Go from deadline to deadline, since any of them may pause, and let the therapist act in between."""
        core = self._core
        while (next_ms := max(min(core.wake_ms, therapist.due_ms), self._now_ms)) <= until_ms and next_ms < inf:
            self._now_ms = at_ms = ceil(next_ms)
            self._take(core.advance(at_ms), at_ms)
            if therapist.due_ms <= at_ms:
                self._resume(therapist, at_ms)

    def _resume(self, therapist: PatientTherapist, at_ms: int) -> None:
        core = self._core
        try:
            for alert_id in therapist.take_alerts():
                self._take(core.acknowledge(alert_id, _THERAPIST, None, at_ms), at_ms)
            command = ResumeCommand(session_id=core.facts.session_id, reason="replay")
            self._take(core.command(command, _THERAPIST, at_ms), at_ms)
        except ProtocolError:
            self._take(core.advance(at_ms), at_ms)


def _line_of(effect: Effect, at_ms: int) -> bytes | None:
    if isinstance(effect, Send):
        return sent_line(at_ms, effect.message)
    return alert_line(at_ms, effect.body) if isinstance(effect, Raise) else None
