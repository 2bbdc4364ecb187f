"""Samples in, what a face says out: one person, a batch, what was typical of one, where a course may lead."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from emdr_stream.domain import StateLabel
from emdr_stream.progress.course import LONGEST_TARGET, MOST_SESSIONS, RatingsError, courses_of, rating
from emdr_stream.progress.forecast import HORIZON, MOST_HORIZON, Forecast, NotEnoughData
from emdr_stream.progress.measures import Measure
from emdr_stream.rest.analysis import Reading
from emdr_stream.rest.operation import (
    BODY_BYTES,
    EVERYBODY,
    NDJSON,
    THERAPIST_AND_SERVICE,
    Asked,
    Call,
    Lines,
    NoQuery,
    Operation,
    Told,
)
from emdr_stream.rest.problems import Problem, ProblemCode, ProblemDetails, refuse
from emdr_stream.rest.reading import decode
from emdr_stream.rest.samples import AnalyzeRequest
from emdr_stream.store.patterns import emotion_patterns
from emdr_stream.wire.values import Dimensions, Emotions, Id, ModelRef, Name, SignalReport

_BATCH_BYTES: Final = 8_388_608
_BATCH_LINES: Final = 2_000
_PROGRESS_EVERY: Final = 10
_DAY_MS: Final = 86_400_000
_PATTERNS_S: Final = 3.0
_ENCODE: Final = msgspec.json.Encoder().encode


class EmotionPrediction(Told, frozen=True, kw_only=True):
    """The estimate for the newest sample. `confidence`: the model's probability of `state`, 0 while it is unknown.

    `predicted_changes`: over the next 10 s; null while no model speaks. `ts`: of the sample; null when none showed a
    person. `model`: who estimated, trained on simulated persons.
    """

    id: Id | None
    ts: float | None
    emotions: Emotions
    dimensions: Dimensions
    state: StateLabel
    confidence: float
    predicted_changes: Dimensions | None
    recommendations: tuple[str, ...]
    signal: SignalReport | None
    model: ModelRef


class PredictionLine(msgspec.Struct, frozen=True, kw_only=True, tag="prediction", tag_field="type"):
    line: int
    prediction: EmotionPrediction


class ProblemLine(msgspec.Struct, frozen=True, kw_only=True, tag="problem", tag_field="type"):
    line: int
    problem: ProblemDetails


class ProgressLine(msgspec.Struct, frozen=True, kw_only=True, tag="progress", tag_field="type"):
    done: int
    of: int


class DoneLine(msgspec.Struct, frozen=True, kw_only=True, tag="done", tag_field="type"):
    """The last line: without it, the answer was cut off."""

    lines: int
    predictions: int
    problems: int


class StatePattern(Told, frozen=True, kw_only=True):
    """A state: its share of the seconds in which one was known, and the means of valence, arousal and risk in it."""

    state: str
    share: float
    seconds: int
    valence: float | None
    arousal: float | None
    risk: float | None


class Transition(Told, frozen=True, kw_only=True):
    """How often one state followed another from a second to the next."""

    from_state: str
    to_state: str
    times: int


class EmotionPatterns(Told, frozen=True, kw_only=True):
    """What was typical of a client in their newest sessions, from the recorded seconds; states are a model's estimates.

    `since_ts`: how far back was looked, milliseconds.
    """

    user: str
    since_ts: int
    sessions: int
    seconds: int
    states: tuple[StatePattern, ...]
    transitions: tuple[Transition, ...]


class PatternsQuery(Asked, frozen=True, kw_only=True):
    user: Annotated[Name, Meta(description="the client")]
    days: Annotated[int, Meta(ge=1, le=365)] = 90
    sessions: Annotated[int, Meta(ge=1, le=50, description="the newest so many")] = 10


class RatingGiven(Asked, frozen=True, kw_only=True):
    """One rating. `session`: 0 before treatment, then 1, 2, ...; PCL-5 from 0 to 80, SUD to 10, VoC from 1 to 7."""

    session: Annotated[int, Meta(ge=0, le=MOST_SESSIONS)]
    value: Annotated[float, Meta(ge=0, le=80)]


class PredictRequest(Asked, frozen=True, kw_only=True):
    """A course of ratings of one measure; `target`: the memory, for SUD and VoC."""

    measure: Measure
    ratings: Annotated[list[RatingGiven], Meta(min_length=1, max_length=MOST_SESSIONS)]
    target: Annotated[str, Meta(max_length=LONGEST_TARGET)] = ""
    horizon: Annotated[int, Meta(ge=1, le=MOST_HORIZON, description="sessions ahead")] = HORIZON


class ProgressPrediction(Told, frozen=True, kw_only=True):
    """Where a course may lead, for the therapist alone; one of `forecast` and `not_enough_data` is null.

    `model`: the version of the priors.
    """

    forecast: Forecast | None
    not_enough_data: NotEnoughData | None
    model: ModelRef


async def analyze(call: Call[AnalyzeRequest, NoQuery]) -> EmotionPrediction:
    """The estimate for the newest sample of one person."""
    reading = await call.parts.analyst.read(*call.body.taken())
    return _prediction(call.body.id, reading)


async def batch_process(call: Call[bytes, NoQuery]) -> Lines:
    """One estimate a line, streamed with progress."""
    lines = [line for line in call.body.split(b"\n") if line.strip()]
    if len(lines) > _BATCH_LINES:
        raise Problem(ProblemCode.TOO_LARGE, f"at most {_BATCH_LINES} lines are read")
    return Lines(_batch(call, lines), {"content-type": NDJSON})


async def patterns(call: Call[None, PatternsQuery]) -> EmotionPatterns:
    """What was typical of a client."""
    query = call.query
    user = call.check_user(query.user)
    since_ms = call.parts.wall_ms() - query.days * _DAY_MS
    found = await call.parts.records.ask(emotion_patterns(user, since_ms, query.sessions), _PATTERNS_S)
    known = sum(state.seconds for state in found.states)
    return EmotionPatterns(
        user=user,
        since_ts=since_ms,
        sessions=found.sessions,
        seconds=known,
        states=tuple(
            StatePattern(
                state=each.state,
                share=each.seconds / known,
                seconds=each.seconds,
                valence=each.valence,
                arousal=each.arousal,
                risk=each.risk,
            )
            for each in found.states
        ),
        transitions=tuple(
            Transition(from_state=before, to_state=after, times=times) for before, after, times in found.transitions
        ),
    )


async def predict(call: Call[PredictRequest, NoQuery]) -> ProgressPrediction:
    """Where a course of ratings may lead."""
    asked = call.body
    try:
        given = [
            rating(asked.measure.value, each.session, each.value, asked.target, f"ratings[{index}]")
            for index, each in enumerate(asked.ratings)
        ]
        (course,) = courses_of(given)
    except RatingsError as problem:
        raise refuse(str(problem), "ratings") from None
    priors = await call.parts.forecasts.priors()
    said = await asyncio.to_thread(priors.forecast, course, asked.horizon)
    return ProgressPrediction(
        forecast=said if isinstance(said, Forecast) else None,
        not_enough_data=said if isinstance(said, NotEnoughData) else None,
        model=ModelRef(name="progress", version=priors.version, sha256=priors.sha256),
    )


async def _batch(call: Call[bytes, NoQuery], lines: list[bytes]) -> AsyncIterator[bytes]:
    problems = 0
    for number, line in enumerate(lines, 1):
        told: PredictionLine | ProblemLine
        try:
            if len(line) > BODY_BYTES:
                raise Problem(ProblemCode.TOO_LARGE, f"a line has at most {BODY_BYTES} bytes")
            asked = decode(line, AnalyzeRequest)
            reading = await call.parts.analyst.read(*asked.taken())
            told = PredictionLine(line=number, prediction=_prediction(asked.id, reading))
        except Problem as problem:
            problems += 1
            told = ProblemLine(line=number, problem=problem.details())
        yield _ENCODE(told) + b"\n"
        if number % _PROGRESS_EVERY == 0:
            yield _ENCODE(ProgressLine(done=number, of=len(lines))) + b"\n"
    done = DoneLine(lines=len(lines), predictions=len(lines) - problems, problems=problems)
    yield _ENCODE(done) + b"\n"


def _prediction(re: Id | None, reading: Reading) -> EmotionPrediction:
    result = reading.result
    return EmotionPrediction(
        id=re,
        ts=None if result is None else result.ts,
        emotions=Emotions() if result is None else result.emotions,
        dimensions=Dimensions() if result is None else result.dimensions,
        state=StateLabel.UNKNOWN if result is None else result.state.label,
        confidence=0.0 if result is None else result.state.confidence,
        predicted_changes=None if result is None else result.predicted_changes,
        recommendations=() if result is None else result.recommendations,
        signal=None if result is None else result.signal,
        model=reading.model,
    )


OPERATIONS: Final = (
    Operation(
        name="emotion.analyze",
        method="POST",
        path="/v1/emotion/analyze",
        summary="What the samples of one person show now; nothing is kept.",
        roles=EVERYBODY,
        handle=analyze,
        body=AnalyzeRequest,
        answer=EmotionPrediction,
    ),
    Operation(
        name="emotion.batch-process",
        method="POST",
        path="/v1/emotion/batch-process",
        summary="The same for many: a request a line in, an answer a line out, with progress between them.",
        roles=THERAPIST_AND_SERVICE,
        handle=batch_process,
        body=bytes,
        takes=NDJSON,
        body_bytes=_BATCH_BYTES,
        media=(NDJSON,),
        answers_with="A `prediction` or `problem` for each line, `progress` every ten, `done` at the end.",
    ),
    Operation(
        name="emotion.patterns",
        method="GET",
        path="/v1/emotion/patterns",
        summary="States that were typical of a client, and how they followed one another.",
        roles=THERAPIST_AND_SERVICE,
        handle=patterns,
        query=PatternsQuery,
        answer=EmotionPatterns,
        problems=frozenset({ProblemCode.NOT_FOUND}),
    ),
    Operation(
        name="emotion.predict",
        method="POST",
        path="/v1/emotion/predict",
        summary="Where a course of ratings may lead, and how sure that is; no client is told.",
        roles=THERAPIST_AND_SERVICE,
        handle=predict,
        body=PredictRequest,
        answer=ProgressPrediction,
    ),
)
