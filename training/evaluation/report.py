"""In: an evaluation. Out: the manifest's metrics, and the tables of report and card as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from emdr_stream.evaluation.figures import Figures
from emdr_stream.evaluation.gates import GateResult, gates
from emdr_stream.evaluation.measuring import state_names
from emdr_stream.evaluation.metrics import metrics_of, rounded
from emdr_stream.evaluation.wording import PART_HEADINGS, interval, number, part_row, percent, summary_rows
from training.evaluation.shape import Evaluation, Outcome, worst

TITLES: Final = {
    "iid": "families trained on, unseen persons",
    "shifted": "persons and sensors shifted",
    "held_out": "families held out of training",
    "held_out_shifted": "families held out, persons and sensors shifted",
    "unobservable": "panics that do not show (reported, no target)",
    "long": "as the first, sessions of 50 minutes (reported, no target)",
    "late": "as the first, listened to from their midst, with a short baseline (reported, no target)",
}
HEADLINES: Final = (
    "test set",
    "events",
    "found",
    "by a pause",
    "false alarms/h",
    "false pauses/h",
    "median s",
    "p95 s",
    "ECE",
    "not monitored",
)


def metrics(evaluation: Evaluation) -> dict[str, Any]:
    """What the manifest keeps and the gates read."""
    iid = evaluation.cohorts["iid"]
    kept: dict[str, Any] = {name: metrics_of(figures) for name, figures in evaluation.cohorts.items()}
    kept["states"] = rounded({"accuracy": iid.state_accuracy, "majority": iid.state_majority})
    kept["chance"] = rounded(msgspec.to_builtins(evaluation.chance))
    if evaluation.controls is not None:
        kept["controls"] = rounded(msgspec.to_builtins(evaluation.controls))
    lowest = worst(evaluation.constants)
    if lowest is not None:
        kept["worst_constants"] = rounded(msgspec.to_builtins(lowest))
    kept["test"] = {"seed": evaluation.seed, "sessions": evaluation.sessions, "simulated": True}
    return kept


def headline_table(cohorts: Mapping[str, Figures]) -> str:
    """A row for each test set."""
    rows = []
    for name, f in cohorts.items():
        rows.append(
            (
                f"{name}: {TITLES[name]} ({f.recordings} sessions, {f.persons} persons, {f.hours_monitored:.1f} h)",
                str(f.events),
                interval(f.sensitivity),
                interval(f.pause_sensitivity),
                interval(f.false_alarms_per_hour),
                interval(f.false_pauses_per_hour),
                interval(f.median_time_to_alarm_s, 1),
                interval(f.p95_time_to_alarm_s, 1),
                number(f.crisis_ece, 3),
                percent(f.abstained_share),
            )
        )
    return markdown(HEADLINES, rows)


def family_table(evaluation: Evaluation) -> str:
    rows = [
        (name, part.name, *part_row(part)) for name, figures in evaluation.cohorts.items() for part in figures.families
    ]
    return markdown(("test set", "family", *PART_HEADINGS), rows)


def subgroup_table(evaluation: Evaluation) -> str:
    rows = [
        (name, f"{group}: {part.name}", *part_row(part))
        for name, figures in evaluation.cohorts.items()
        for group, parts in {**figures.groups, "sensor": figures.sensors}.items()
        if len(parts) > 1
        for part in parts
    ]
    return markdown(("test set", "subgroup", *PART_HEADINGS), rows)


def gap_lines(evaluation: Evaluation) -> str:
    """Largest differences in sensitivity between subgroups with enough events."""
    lines = [
        f"- {name}: {gap.group}: {gap.best} is found {gap.sensitivity_gap:.2f} more often than {gap.worst}"
        for name, figures in evaluation.cohorts.items()
        for gap in figures.gaps
    ]
    return "\n".join(lines) if lines else "No subgroup has enough events for a gap."


def gate_table(results: Sequence[GateResult]) -> str:
    rows = []
    for result in results:
        sign = "≥" if result.at_least else "≤"
        short = None if result.reached is None else result.reached - result.ambitious
        distance = "–" if short is None else f"{short:+.2f}"
        verdict = "yes" if result.passed else "**no**"
        rows.append((result.why, f"{sign} {result.must:g}", f"{sign} {result.ambitious:g} ({distance})", verdict))
    return markdown(("target", "must", "ambitious (distance)", "reached"), rows)


def chance_table(evaluation: Evaluation) -> str:
    """What must be beaten: silence, somebody else's truth, the brief's rule."""
    told, iid = evaluation.chance, evaluation.cohorts["iid"]
    rows = [
        ("iid", "this model", interval(iid.sensitivity), interval(iid.false_alarms_per_hour)),
        ("iid", f"never an alarm (right in {percent(told.silent_accuracy)} of the seconds)", "0.00", "0.00"),
        ("iid", "this model, each session scored by another person's truth", number(told.shuffled_sensitivity), "–"),
    ]
    rows += [
        (name, "the brief's absolute rule", interval(each.sensitivity), interval(each.false_alarms_per_hour))
        for name, each in evaluation.rule.items()
    ]
    return markdown(("test set", "what", "found", "false alarms/h"), rows)


def outcome_table(heading: str, outcomes: Sequence[Outcome]) -> str:
    rows = [(o.name, str(o.events), interval(o.sensitivity), interval(o.false_alarms_per_hour)) for o in outcomes]
    return markdown((heading, "events", "found", "false alarms/h"), rows)


def controls_text(evaluation: Evaluation) -> str:
    c = evaluation.controls
    if c is None:
        return "Not measured in this run (no `--data`)."
    faces = (
        f"{c.speaker_streams} streams of real faces telling news (each clip looped, and all joined; "
        f"{c.speaker_hours:.1f} h after the baseline): {c.speaker_pauses} pauses, {c.speaker_alarms} alarms. With a "
        f"panic laid over them: {c.injected_panics_found} of {c.injected_panics} paused, median "
        f"{number(c.injected_median_s, 1)} s after it began to rise."
    )
    hearts = (
        f"Heart rates of {c.heart_persons} real persons beside these faces: {interval(c.rest_pauses_per_hour)} pauses "
        f"an hour in {c.rest_hours:.1f} h of rest, {interval(c.stress_pauses_per_hour)} in {c.stress_hours:.1f} h of "
        "arithmetic, interview and hyperventilation."
    )
    return f"{faces} {hearts}"


def confusion_table(evaluation: Evaluation) -> str:
    names = state_names()
    rows = [
        (name, *(str(count) for count in row), percent(row[i] / sum(row) if sum(row) else None))
        for i, (name, row) in enumerate(zip(names, evaluation.cohorts["iid"].state_confusion, strict=True))
    ]
    return markdown(("true \\ said", *names, "recall"), rows)


def missed_table(evaluation: Evaluation) -> str:
    rows = [
        (name, m.recording, m.family, m.kind, f"{m.onset_ms / 1_000:.0f}–{m.end_ms / 1_000:.0f}", m.why)
        for name, figures in evaluation.cohorts.items()
        for m in figures.missed
    ]
    return markdown(("test set", "session", "family", "kind", "seconds", "what is known"), rows)


def summary_tables(evaluation: Evaluation) -> str:
    """Every figure of every test set."""
    columns = [summary_rows(figures) for figures in evaluation.cohorts.values()]
    rows = [(rows[0][0], *(value for _, value in rows)) for rows in zip(*columns, strict=True)]
    return markdown(("figure", *evaluation.cohorts), rows)


def results_of(evaluation: Evaluation) -> list[GateResult]:
    return gates(metrics(evaluation))


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; one without rows says so."""
    if not rows:
        return "Not measured in this run."
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
