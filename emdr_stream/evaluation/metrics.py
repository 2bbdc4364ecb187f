"""In: figures. Out: the few of them that a model's manifest keeps and the gates read, rounded."""

from typing import Any, Final

import msgspec

from emdr_stream.evaluation.figures import Figures

KEPT: Final = (
    "recordings",
    "persons",
    "hours_monitored",
    "events",
    "events_apart",
    "sensitivity",
    "pause_sensitivity",
    "precision",
    "false_alarms_per_hour",
    "false_pauses_per_hour",
    "false_pause_share",
    "calm_pauses_per_hour",
    "hard_negative_pauses_per_hour",
    "coverage",
    "abstained_share",
    "prevalence",
    "sweep",
    "crisis_brier",
    "crisis_ece",
    "crisis_auc",
    "state_accuracy",
    "median_time_to_alarm_s",
    "p95_time_to_alarm_s",
)
_PLACES: Final = 4


def metrics_of(figures: Figures) -> dict[str, Any]:
    """Numbers, and {"value", "low", "high"} for what has an interval; null where nothing could be measured."""
    return {name: rounded(getattr(figures, name)) for name in KEPT}


def rounded(value: Any) -> Any:
    """Numbers to four places, within lists, maps and intervals too."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, tuple | list):
        return [rounded(each) for each in value]
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return round(value, _PLACES) if isinstance(value, float) else value
