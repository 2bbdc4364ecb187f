"""In: recordings of real people, none of them in a crisis. Out: how often the service pauses on them.

Speakers: readings of real faces telling news. The clips last one to three seconds and do not say whose they are, so
each is looped on its own, there and back again; one more stream joins all of them. Once more with a panic laid over.
Hearts: an hour of heart rate of each of 34 people at rest and under stress, beside the joined speakers' faces.
Real signals, but no real session. Some constants of the simulator were fitted on these very clips.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import SIGNALS
from emdr_stream.evaluation.bootstrap import Interval, Persons
from emdr_stream.evaluation.course import Course
from emdr_stream.evaluation.events import false_alarms
from emdr_stream.evaluation.labels import Event, Truth
from emdr_stream.recording.format import Header
from emdr_stream.recording.reading import Entry, Recording
from emdr_stream.recording.trials import Case
from emdr_stream.simulation.messages import sample_message
from emdr_stream.wire.stream import Bye, Sample

Floats = NDArray[np.float64]

FRAMES: Final = Path("speakers") / "frames.csv"
HEARTS: Final = Path("heart") / "stress_predict" / "hr_rsp_binary.csv"
BASELINE_S: Final = 70
LENGTH_S: Final = 300
FRAME_MS: Final = 80
"""The clips' frames are every second of 25 a second."""
HEART_EVERY: Final = 3
"""Beside the hearts every third of these frames is sent: 31 hours are many."""
PANIC_AT_S: Final = 190.0
PANIC_RISE_S: Final = 20.0
PANIC_HOLD_S: Final = 60.0
PANIC_AROUSAL: Final = 0.6
PANIC_VALENCE: Final = -0.4
PANIC_FEAR: Final = 0.6
_COLUMNS: Final = {
    "valence": "valence",
    "arousal": "arousal",
    "joy": "happy",
    "sadness": "sad",
    "anger": "anger",
    "fear": "fear",
    "surprise": "surprise",
    "disgust": "disgust",
    "neutral": "neutral",
}
_EMOTIONS: Final = slice(SIGNALS.index("joy"), SIGNALS.index("neutral") + 1)
_HEART: Final = SIGNALS.index("heart_rate")
_HOUR_S: Final = 3_600.0


class Controls(msgspec.Struct, frozen=True, kw_only=True):
    """Of the speakers: streams, hours, pauses, alarms; how many of the panics laid over them were found, and when.

    Of the hearts: persons, and pauses an hour at rest and under real stress, which is no crisis either.
    """

    speaker_streams: int
    speaker_hours: float
    speaker_pauses: int
    speaker_alarms: int
    injected_panics: int
    injected_panics_found: int
    injected_median_s: float | None
    heart_persons: int
    rest_hours: float
    rest_pauses_per_hour: Interval
    stress_hours: float
    stress_pauses_per_hour: Interval


@dataclass(frozen=True, slots=True)
class SpeakerCase:
    """A stream of the speakers by its number, the joined one last; `panic`: with one laid over."""

    data: Path
    number: int
    panic: bool

    def __call__(self) -> Case:
        values = streams(self.data)[self.number]
        values = with_panic(values) if self.panic else values
        onset_ms = round((PANIC_AT_S + PANIC_RISE_S / 2) * 1_000)
        over = Event(kind="hyperarousal", onset_ms=onset_ms, end_ms=round((PANIC_AT_S + 80) * 1_000))
        truth = Truth(
            recording=f"speaker-{self.number}",
            person=f"speaker-{self.number}",
            from_ms=BASELINE_S * 1_000,
            events=(over,) if self.panic else (),
        )
        return recording_of(values), truth


@dataclass(frozen=True, slots=True)
class HeartCase:
    """The heart rate of one participant beside the joined speakers' faces."""

    data: Path
    participant: str

    def __call__(self) -> Case:
        rates, _ = hearts(self.data)[self.participant]
        step_ms = FRAME_MS * HEART_EVERY
        frames = len(rates) * 1_000 // step_ms
        values = looped(np.concatenate(clips(self.data)), frames * HEART_EVERY)[::HEART_EVERY]
        second = np.minimum(np.arange(frames) * step_ms // 1_000, len(rates) - 1)
        values[:, _HEART] = rates[second]
        name = f"heart-{self.participant}"
        return recording_of(values, step_ms), Truth(recording=name, person=name, from_ms=BASELINE_S * 1_000)


def has_speakers(data: Path) -> bool:
    return (data / FRAMES).is_file()


def has_hearts(data: Path) -> bool:
    return (data / HEARTS).is_file()


def speaker_cases(data: Path) -> tuple[list[SpeakerCase], list[SpeakerCase]]:
    """The streams as they are, and with a panic."""
    count = len(streams(data))
    plain, panics = ([SpeakerCase(data, number, panic) for number in range(count)] for panic in (False, True))
    return plain, panics


def heart_cases(data: Path, most: int | None = None) -> list[HeartCase]:
    """Of the first `most` participants, or of all."""
    return [HeartCase(data, participant) for participant in list(hearts(data))[:most]]


def controls_of(
    speakers: list[Course], panics: list[Course], heart_courses: list[Course], stress: dict[str, Floats]
) -> Controls:
    """The figures. `stress`: by person of the heart courses, 1 in each second of stress (S,)."""
    found = [course for course in panics if _first_pause(course) is not None]
    delays = [delay for course in found if (delay := _first_pause(course)) is not None]
    rest, stressed = (_heart_rate(heart_courses, stress, wanted) for wanted in (0.0, 1.0))
    return Controls(
        speaker_streams=len(speakers),
        speaker_hours=sum(float(course.watched.judged[course.window].sum()) for course in speakers) / _HOUR_S,
        speaker_pauses=sum(len(_scored(course, course.pauses_ms)) for course in speakers),
        speaker_alarms=sum(len(_scored(course, course.alarms_ms)) for course in speakers),
        injected_panics=len(panics),
        injected_panics_found=len(found),
        injected_median_s=float(np.median(delays)) if delays else None,
        heart_persons=len(heart_courses),
        rest_hours=rest[1],
        rest_pauses_per_hour=rest[0],
        stress_hours=stressed[1],
        stress_pauses_per_hour=stressed[0],
    )


def recording_of(values: Floats, step_ms: int = FRAME_MS) -> Recording:
    """A client who sends these readings (n, N_SIGNALS), one every `step_ms`, and nothing else."""
    messages = (sample_message(i * step_ms, row, face_present=True) for i, row in enumerate(values.tolist()))
    entries = [Entry(i, i * step_ms, msgspec.convert(each, Sample), None) for i, each in enumerate(messages)]
    end = Entry(len(entries), len(entries) * step_ms, Bye(), None)
    return Recording("control", Header(emdr_recording=1), (*entries, end), (), end.at_ms)


def streams(data: Path) -> list[Floats]:
    """Each clip looped, and all of them joined."""
    own = clips(data)
    n = (BASELINE_S + LENGTH_S) * 1_000 // FRAME_MS
    return [looped(clip, n) for clip in (*own, np.concatenate(own))]


@cache
def clips(data: Path) -> tuple[Floats, ...]:
    """Readings (n, N_SIGNALS) of each clip, NaN where nothing was read. Raises FileNotFoundError naming the file."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    with (data / FRAMES).open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            row = [float(line[_COLUMNS[name]]) if name in _COLUMNS else np.nan for name in SIGNALS]
            found[line["clip"]].append(row)
    return tuple(_normalised(np.array(rows)) for _, rows in sorted(found.items()))


@cache
def hearts(data: Path) -> dict[str, tuple[Floats, Floats]]:
    """By participant: heart rate and stress (1, else 0), second by second; NaN where none was measured."""
    rows: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    with (data / HEARTS).open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            stress = float(line["Label"])
            rate = float(line["HR"]) if line["HR"] else np.nan
            rows[line["Participant"]].append((int(float(line["Time(sec)"])), rate, stress))
    return {participant: _by_second(own) for participant, own in sorted(rows.items())}


def looped(clip: Floats, n: int) -> Floats:
    """There and back again, so that the joints are smooth."""
    swing = np.concatenate([clip, clip[-2:0:-1]])
    return np.asarray(swing[np.arange(n) % len(swing)])


def with_panic(values: Floats) -> Floats:
    """The stream with arousal and fear rising over 20 s, valence falling, and all of it held for a minute."""
    time_s = np.arange(len(values)) * FRAME_MS / 1_000.0
    corners = np.cumsum([PANIC_AT_S, PANIC_RISE_S, PANIC_HOLD_S, PANIC_RISE_S])
    strength = np.interp(time_s, corners, (0.0, 1.0, 1.0, 0.0))
    shifted = values.copy()
    arousal, valence, fear = (SIGNALS.index(name) for name in ("arousal", "valence", "fear"))
    shifted[:, arousal] = np.clip(values[:, arousal] + PANIC_AROUSAL * strength, -1.0, 1.0)
    shifted[:, valence] = np.clip(values[:, valence] + PANIC_VALENCE * strength, -1.0, 1.0)
    shifted[:, _EMOTIONS] *= 1.0 - PANIC_FEAR * strength[:, None]
    shifted[:, fear] += PANIC_FEAR * strength
    return shifted


def _first_pause(course: Course) -> float | None:
    """Seconds from where the panic begins to rise to the first pause within it."""
    end_ms = course.truth.events[0].end_ms
    within = [at for at in course.pauses_ms if PANIC_AT_S * 1_000 <= at <= end_ms]
    return within[0] / 1_000 - PANIC_AT_S if within else None


def _heart_rate(courses: list[Course], stress: dict[str, Floats], wanted: float) -> tuple[Interval, float]:
    """Pauses an hour within the seconds of this kind, and how many hours of them were monitored."""
    names = [course.truth.person for course in courses]
    persons = Persons(names)
    counts, hours = [], []
    for course in courses:
        kind = stress[course.truth.person][: len(course.watched.crisis)] == wanted
        judged = course.watched.judged[: len(kind)] & ~course.watched.paused[: len(kind)] & kind
        hours.append(float(judged[course.window].sum()) / _HOUR_S)
        pauses = (at for at in _scored(course, course.pauses_ms) if at // 1_000 < len(kind))
        counts.append(float(sum(bool(kind[at // 1_000]) for at in pauses)))
    return persons.rate(persons.sums(names, counts), persons.sums(names, hours)), sum(hours)


def _scored(course: Course, alarms_ms: tuple[int, ...]) -> list[int]:
    return false_alarms([at for at in alarms_ms if course.counts(at)], ())


def _by_second(rows: list[tuple[int, float, float]]) -> tuple[Floats, Floats]:
    first = min(at for at, _, _ in rows)
    length = max(at for at, _, _ in rows) - first + 1
    rate, stress = np.full(length, np.nan), np.zeros(length)
    for at, heart, stressed in rows:
        rate[at - first], stress[at - first] = heart, stressed
    return rate, stress


def _normalised(rows: Floats) -> Floats:
    rows[:, _EMOTIONS] /= rows[:, _EMOTIONS].sum(axis=1, keepdims=True)
    return rows.reshape(-1, len(SIGNALS))
