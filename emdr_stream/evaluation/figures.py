"""In: nothing. Out: the shape of an evaluation's figures, which can be kept as JSON; null: not measurable."""

import msgspec

from emdr_stream.evaluation.bootstrap import Interval
from emdr_stream.evaluation.sweep import Sweep


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One family, sensor or subgroup: `name`, how much there is of it, and what was found of it."""

    name: str
    recordings: int
    persons: int
    hours: float
    events: int
    sensitivity: Interval
    pause_sensitivity: Interval
    false_alarms_per_hour: Interval
    false_pauses_per_hour: Interval
    median_time_to_alarm_s: float | None


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """An event that counts and that no alarm found; `why`: what is known of it."""

    recording: str
    person: str
    family: str
    sensor: str
    kind: str
    onset_ms: int
    end_ms: int
    why: str


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """The largest difference in sensitivity between two subgroups with enough events."""

    group: str
    best: str
    worst: str
    sensitivity_gap: float


class Rare(msgspec.Struct, frozen=True, kw_only=True):
    """The same detector where there is one event in 20 sessions: what share of its alarms would be right."""

    events_per_session: float
    false_alarms_per_hour: float | None
    precision: float | None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One set of recordings. Times in seconds, rates an hour of monitored time, shares 0..1; null: not measurable."""

    name: str
    recordings: int
    persons: int
    hours_scored: float
    hours_monitored: float
    coverage: float | None
    paused_share: float | None
    abstained_share: float | None
    prevalence: float | None
    events: int
    sensitivity: Interval
    pause_sensitivity: Interval
    events_apart: dict[str, int]
    alarms_on_events_apart: dict[str, int]
    precision: float | None
    false_alarms_per_hour: Interval
    false_pauses_per_hour: Interval
    false_alarms_without_event_per_hour: Interval
    rare: Rare
    sweep: Sweep
    false_pause_share: float | None
    median_time_to_alarm_s: Interval
    p95_time_to_alarm_s: Interval
    median_time_to_pause_s: Interval
    calm_recordings: int
    calm_pauses_per_hour: Interval
    hard_negative_recordings: int
    hard_negative_pauses_per_hour: Interval
    hard_negatives: int
    hard_negatives_paused: int
    crisis_brier: float | None
    crisis_ece: float | None
    crisis_auc: float | None
    state_accuracy: float | None
    state_accuracy_all: float | None
    state_majority: float | None
    state_confusion: list[list[int]]
    other_pauses: dict[str, int]
    other_alerts: dict[str, int]
    families: list[Part]
    sensors: list[Part]
    groups: dict[str, list[Part]]
    gaps: list[Gap]
    missed: list[Missed]
