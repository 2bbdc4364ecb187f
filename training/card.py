"""In: what was trained and measured. Out: the model card as Markdown, and the metrics of the manifest."""

from math import isfinite
from typing import Final

from training.config import TrainingConfig
from training.dataset import families_of
from training.evaluation import CohortReport, Report
from training.package import Json, Record
from training.scoring import Score

ACCURACY_GATE: Final = 0.85

_USE: Final = """\
## Intended use
Advice to a therapist who is present, and a pause of the stimulus that only a person ends. It reads the service's
features of one client, relative to that client's own calm minute, and says: the state (calm, processing, hyperarousal,
hypoarousal, drowsy), a risk, the probability of a crisis now or within 15 s, and the expected change of valence,
arousal and attention over 10 s. It is no medical device, no diagnosis, and no substitute for the stop button or the
therapist.
"""

_LIMITS: Final = """\
## Known failures and limits
- **Sensitivity with real clients is unknown.** No recording of a real crisis was used, for training or for testing: all
  figures are of a simulator. They tell whether the software got better or worse, nothing about a clinic.
- Many simulated clients show little, or the contrary, of what they feel; the model misses many of their crises. An
  event counts as observable when more than half of it shows above the momentary noise of face and sensor; a person's
  idle expression may still hide it.
- The families of test `unseen families` were left out of training as families; the crises inside them are built from
  the same parts as the trained ones. Real people belong to no family.
- Nothing is said before the personal baseline stands, nor while no client is seen; that time is not monitored.
- Probabilities are calibrated for the simulated mixture above, in which crises are far more frequent than in practice:
  of the pauses that a real session sees, more will be false.
- The settings of the network were chosen on the persons that the probabilities are calibrated on; the three tests are
  of persons that were not looked at before.
- Some constants of the simulator (face noise, the lead of a neutral face, frame noise) were fitted on the very
  speakers' clips that serve as negative control here: that control is no independent evidence.
"""


def card(record: Record, config: TrainingConfig, report: Report) -> str:
    """The text of CARD.md; every figure follows from the command it names."""
    return "\n".join(
        [
            f"# Model card: emotion_safety {record.version}",
            "",
            f"Every figure below is the output of `{record.command}` (seed {record.seed}).",
            "",
            _USE,
            "## Data",
            record.data,
            "",
            _events_table(report),
            _families_table(report),
            _states(report),
            _controls(report),
            _gates(report),
            _LIMITS,
        ]
    )


def describe_data(config: TrainingConfig, rows: int, calibration_rows: int) -> str:
    """What the model was trained on, in words."""
    cohort = config.cohort
    return (
        f"Simulated throughout (`emdr_stream.simulation`): {cohort.training_sessions} sessions drawn for training "
        f"({rows} rows), {cohort.validation_sessions} of other persons for calibration ({calibration_rows} rows), "
        f"{cohort.test_sessions} of yet other persons in each of three tests. {cohort.randomised_share:.0%} of the "
        f"training sessions and {cohort.validation_randomised_share:.0%} of those for calibration are "
        f"domain-randomised. Left out of both: the families {', '.join(cohort.held_out_families)} and the sensor "
        f"{cohort.held_out_sensor}. Families trained on: {', '.join(families_of(cohort))}."
    )


def metrics(report: Report) -> dict[str, Json]:
    """The figures for the manifest, rounded; what could not be measured is null."""
    result: dict[str, Json] = {}
    for cohort in report.cohorts:
        result[cohort.name.replace(" ", "_")] = {
            "events": cohort.pauses.events,
            "pause_sensitivity": _rounded(cohort.pauses.sensitivity),
            "pause_sensitivity_95": [_rounded(cohort.pauses.low), _rounded(cohort.pauses.high)],
            "alarm_sensitivity": _rounded(cohort.alarms.sensitivity),
            "false_pauses_per_hour": _rounded(cohort.pauses.false_alarms_per_hour),
            "false_alarms_per_hour": _rounded(cohort.alarms.false_alarms_per_hour),
            "median_delay_s": _rounded(cohort.alarms.median_delay_s),
            "p95_delay_s": _rounded(cohort.alarms.p95_delay_s),
            "crisis_ece": _rounded(cohort.crisis_error),
            "risk_ece": _rounded(cohort.risk_error),
            "state_accuracy": _rounded(cohort.state_accuracy),
            "state_balanced_accuracy": _rounded(cohort.state_balanced),
        }
    if report.controls is not None:
        result["speakers"] = {
            "streams": report.controls.streams,
            "pauses": report.controls.pauses,
            "injected_panics_found": report.controls.panics_found,
        }
    return result


def _events_table(report: Report) -> str:
    lines = [
        "## Crises found",
        "Whole pipeline (perception, model, safety monitor at the default thresholds 0.6, 0.7, 0.8), scored by events: "
        "found when the alarm comes from 30 s before to 60 s after the onset; 95 % intervals over persons; delays "
        "count from the onset. Observable events only, except where told. An alarm is a pause or an advice.",
        "",
        "| test | events | found by a pause | all events | found by an alarm | false pauses/h | false alarms/h "
        "| delay of a pause, median / p95 s | of an alarm | ECE crisis / risk |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_cohort_line(cohort) for cohort in report.cohorts]
    lines += [f"| {c.name}, sensor left out | {_held_line(c.held_sensor)} | | | |" for c in report.cohorts]
    lines += [
        "",
        f"Never alarming would find 0 and be right in {_text(report.never_alarm_accuracy, 3)} of the seconds.",
    ]
    return "\n".join([*lines, ""])


def _cohort_line(c: CohortReport) -> str:
    cells = [
        f"{c.name} ({c.sessions} sessions, {c.pauses.hours:.1f} h)",
        str(c.pauses.events),
        _share(c.pauses),
        f"{_text(c.pauses_all_events.sensitivity)} of {c.pauses_all_events.events}",
        _share(c.alarms),
        _text(c.pauses.false_alarms_per_hour),
        _text(c.alarms.false_alarms_per_hour),
        f"{_text(c.pauses.median_delay_s, 1)} / {_text(c.pauses.p95_delay_s, 1)}",
        f"{_text(c.alarms.median_delay_s, 1)} / {_text(c.alarms.p95_delay_s, 1)}",
        f"{_text(c.crisis_error, 3)} / {_text(c.risk_error, 3)}",
    ]
    return f"| {' | '.join(cells)} |"


def _held_line(s: Score) -> str:
    return f"{s.events} | {_share(s)} | | | {_text(s.false_alarms_per_hour)} | "


def _families_table(report: Report) -> str:
    lines = [
        "## By family",
        "| test | family | events | found by a pause | missed | false pauses/h |",
        "|---|---|---|---|---|---|",
    ]
    for cohort in report.cohorts:
        for family, s in cohort.families.items():
            found = _share(s) if s.events else "–"
            missed = round(s.events * (1.0 - s.sensitivity)) if s.events else 0
            lines.append(
                f"| {cohort.name} | {family} | {s.events} | {found} | {missed} | {_text(s.false_alarms_per_hour)} |"
            )
    return "\n".join([*lines, ""])


def _states(report: Report) -> str:
    c = report.cohort("shifted")
    verdict = "passed" if c.state_accuracy >= ACCURACY_GATE else "not passed"
    lines = [
        "## States",
        f"Five simulated states, per second, persons and sensors shifted: accuracy {_text(c.state_accuracy, 3)}, mean "
        f"recall of the five {_text(c.state_balanced, 3)}. The gate of {ACCURACY_GATE} accuracy is **{verdict}**. With "
        f"persons as in training: {_text(report.cohort('iid').state_accuracy, 3)} and "
        f"{_text(report.cohort('iid').state_balanced, 3)}.",
        "",
        "| state | recall, shifted | recall, iid |",
        "|---|---|---|",
    ]
    iid = report.cohort("iid").state_recall
    lines += [f"| {state} | {_text(recall)} | {_text(iid[state])} |" for state, recall in c.state_recall.items()]
    return "\n".join([*lines, ""])


def _controls(report: Report) -> str:
    c = report.controls
    if c is None:
        return "## Real speakers\nNot measured in this run (no `--data`).\n"
    return (
        "## Real speakers\n"
        f"{c.streams} streams of real faces telling news (each clip looped, and all joined; {c.hours:.1f} h after the "
        f"baseline): {c.pauses} pauses, {c.advice} advices; no pause is allowed. With a panic laid over them (arousal "
        f"and fear rising over 20 s): {c.panics_found} of {c.streams} paused, median {_text(c.median_delay_s, 1)} s "
        "after its beginning.\n"
    )


def _gates(report: Report) -> str:
    lines = ["## Targets", "| target | reached | |", "|---|---|---|"]
    for what, value, good, digits in gates(report):
        lines.append(f"| {what} | {_text(value, digits)} | {'yes' if good else '**no**'} |")
    return "\n".join([*lines, ""])


def gates(report: Report) -> list[tuple[str, float, bool, int]]:
    """Each target of the domain notes: what it asks, what was reached, whether that is enough, digits to show."""
    iid, shifted, unseen = (report.cohort(name) for name in ("iid", "shifted", "unseen families"))
    rows = [
        ("iid: alarms find ≥ 0.90", iid.alarms.sensitivity, iid.alarms.sensitivity >= 0.90, 2),
        ("iid: false pauses/h ≤ 1", iid.pauses.false_alarms_per_hour, iid.pauses.false_alarms_per_hour <= 1.0, 2),
        ("iid: false alarms/h ≤ 1", iid.alarms.false_alarms_per_hour, iid.alarms.false_alarms_per_hour <= 1.0, 2),
        ("shifted: alarms find ≥ 0.80", shifted.alarms.sensitivity, shifted.alarms.sensitivity >= 0.80, 2),
        ("unseen: alarms find ≥ 0.70", unseen.alarms.sensitivity, unseen.alarms.sensitivity >= 0.70, 2),
        (
            "abreaction and laughing, iid: pauses/h ≤ 1",
            iid.provoking_pauses_per_hour,
            iid.provoking_pauses_per_hour <= 1.0,
            2,
        ),
        ("calm sessions, iid: pauses/h ≤ 0.5", iid.calm_pauses_per_hour, iid.calm_pauses_per_hour <= 0.5, 2),
        ("time to alarm, iid: median ≤ 10 s", iid.alarms.median_delay_s, iid.alarms.median_delay_s <= 10.0, 1),
        ("time to alarm, iid: p95 ≤ 30 s", iid.alarms.p95_delay_s, iid.alarms.p95_delay_s <= 30.0, 1),
        ("ECE of crisis, shifted ≤ 0.10", shifted.crisis_error, shifted.crisis_error <= 0.10, 3),
        ("state accuracy, shifted ≥ 0.85", shifted.state_accuracy, shifted.state_accuracy >= ACCURACY_GATE, 3),
    ]
    if report.controls is not None:
        pauses = report.controls.pauses
        rows.append(("pauses on real speakers = 0", float(pauses), pauses == 0, 0))
    return rows


def _share(s: Score) -> str:
    return f"{_text(s.sensitivity)} ({_text(s.low)}–{_text(s.high)})"


def _text(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if isfinite(value) else "–"


def _rounded(value: float) -> Json:
    return round(value, 4) if isfinite(value) else None
