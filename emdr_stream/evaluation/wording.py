"""In: figures. Out: the rows of the tables that a terminal and a report show of them, as text."""

from typing import Final

from emdr_stream.evaluation.bootstrap import Interval
from emdr_stream.evaluation.figures import Figures, Part

NONE: Final = "–"
PART_HEADINGS: Final = (
    "recordings",
    "persons",
    "hours",
    "events",
    "found",
    "found by a pause",
    "false alarms/h",
    "false pauses/h",
    "median s",
)


def number(value: float | None, digits: int = 2) -> str:
    """A dash for what could not be measured."""
    return NONE if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    return NONE if value is None else f"{100.0 * value:.1f} %"


def interval(figure: Interval, digits: int = 2) -> str:
    """The figure with its 95 % interval in brackets."""
    if figure.value is None:
        return NONE
    if figure.low is None or figure.high is None:
        return number(figure.value, digits)
    return f"{figure.value:.{digits}f} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"


def summary_rows(f: Figures) -> list[tuple[str, str]]:
    """What each figure is, and its value."""
    return [
        ("recordings, persons", f"{f.recordings}, {f.persons}"),
        ("hours scored, monitored", f"{f.hours_scored:.2f}, {f.hours_monitored:.2f}"),
        ("monitored / paused / not monitored", _times(f)),
        ("time in events (prevalence)", percent(f.prevalence)),
        ("events that count", str(f.events)),
        ("events found (sensitivity)", interval(f.sensitivity)),
        ("found by a pause", interval(f.pause_sensitivity)),
        ("events reported apart, with an alarm", _apart(f)),
        ("false alarms an hour", interval(f.false_alarms_per_hour)),
        ("false pauses an hour", interval(f.false_pauses_per_hour)),
        ("false alarms an hour, recordings without event", interval(f.false_alarms_without_event_per_hour)),
        ("alarms that were right (precision)", percent(f.precision)),
        ("with 1 event in 20 sessions: false alarms/h, precision", _rare(f)),
        ("crisis probability alone, events found at false alarms/h", _sweep(f)),
        ("time in false pauses", percent(f.false_pause_share)),
        ("seconds to the alarm, median", interval(f.median_time_to_alarm_s, 1)),
        ("seconds to the alarm, 95th percentile", interval(f.p95_time_to_alarm_s, 1)),
        ("seconds to the pause, median", interval(f.median_time_to_pause_s, 1)),
        ("false pauses an hour, calm recordings", interval(f.calm_pauses_per_hour)),
        ("false pauses an hour, abreaction and laughter", interval(f.hard_negative_pauses_per_hour)),
        ("abreactions and laughter paused", f"{f.hard_negatives_paused} of {f.hard_negatives}"),
        ("crisis probability: Brier, ECE, AUC", _probabilities(f)),
        ("state: accuracy where it shows, everywhere; majority", _states(f)),
        ("pauses that no model asked for", counts(f.other_pauses)),
        ("alerts that no model raised", counts(f.other_alerts)),
    ]


def part_row(part: Part) -> tuple[str, ...]:
    """One family, sensor or subgroup under PART_HEADINGS."""
    return (
        str(part.recordings),
        str(part.persons),
        number(part.hours),
        str(part.events),
        interval(part.sensitivity),
        interval(part.pause_sensitivity),
        interval(part.false_alarms_per_hour),
        interval(part.false_pauses_per_hour),
        number(part.median_time_to_alarm_s, 1),
    )


def counts(counted: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counted.items()) or "none"


def _times(f: Figures) -> str:
    return f"{percent(f.coverage)} / {percent(f.paused_share)} / {percent(f.abstained_share)}"


def _apart(f: Figures) -> str:
    told = (f"{name} {count} ({f.alarms_on_events_apart.get(name, 0)})" for name, count in f.events_apart.items())
    return ", ".join(told) or "none"


def _rare(f: Figures) -> str:
    return f"{number(f.rare.false_alarms_per_hour)}, {percent(f.rare.precision)}"


def _sweep(f: Figures) -> str:
    told = (f"{number(at.sensitivity)} at {at.false_alarms_per_hour:g}" for at in f.sweep.at)
    return f"{', '.join(told)}; mean from 0 to {f.sweep.at[-1].false_alarms_per_hour:g}: {number(f.sweep.partial_area)}"


def _probabilities(f: Figures) -> str:
    return f"{number(f.crisis_brier, 3)}, {number(f.crisis_ece, 3)}, {number(f.crisis_auc, 3)}"


def _states(f: Figures) -> str:
    return f"{number(f.state_accuracy, 3)}, {number(f.state_accuracy_all, 3)}; {number(f.state_majority, 3)}"
