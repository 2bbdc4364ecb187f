"""In: an evaluation and what is known of the training. Out: the model's card, and the report with its pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from emdr_stream.cli.evaluation_plots import draw
from emdr_stream.domain import MEMORY_UNITS
from emdr_stream.inference.models import MEMORY
from emdr_stream.pipeline.memory import STEP_MS
from training.evaluation import report
from training.evaluation.protocol import Evaluated
from training.evaluation.shape import Evaluation, worst

_USE: Final = """\
## Intended use
Advice to a therapist who is present, and a pause of the stimulus that only a person ends. It reads the service's
features of one client, relative to that client's own calm minute, and says: the state (calm, processing, hyperarousal,
hypoarousal, drowsy), a risk, the probability of a crisis now or within 15 s, and the expected change of valence,
arousal and attention over 10 s. It is no medical device, no diagnosis, and no substitute for the stop button or the
therapist.
"""

_REMEMBERS: Final = f"""
It remembers: {MEMORY_UNITS} numbers of each session, which nobody can read, kept every {STEP_MS // 1_000} seconds, for
as long as the session lasts. It begins with none when it is put in use, and after three minutes without a step.
"""

_HOW: Final = """\
## How it was tested
Simulated sessions that training never saw go through the whole service by replay: perception, personal baseline, the
models in their real batch, safety monitor and pause latch; a therapist resumes {resume:g} s after each pause. The
thresholds ({risk:g} risk, {pause:g} pause, {immediate:g} at once) stand in the manifest and were settled on validation.
Rules and definitions: `docs/evaluation.md`. Intervals are 95 %, over persons.
"""

_LIMITS: Final = """\
## Known failures and limits
- **Sensitivity with real clients is unknown.** No recording of a real crisis was used, for training or for testing: all
  figures are of a simulator. They tell whether the software got better or worse, nothing about a clinic.
- Many simulated clients show little, or the contrary, of what they feel; most of their crises are missed. An event
  counts where it shows; the others are reported apart.
- Real people belong to no family of the simulator. The families held out of training are nearer to that, and ours.
- Nothing is said before the personal baseline stands, nor while no client is seen; that time is not monitored.
- Why targets are missed, and how much of what is missed anybody could find in these signals: `docs/evaluation.md`,
  "What could be found at all".
- Crises take up about 5 % of the test's time. Where they are rarer, a smaller share of the alarms is right.
- Some constants of the simulator (face noise, the lead of a neutral face, frame noise) were fitted on the very
  speakers' clips that serve as negative control here: that control is no independent evidence.
"""


def card(manifest: dict[str, Any], evaluation: Evaluation, command: str, resume_after_s: float = 30.0) -> str:
    """The text of CARD.md. `manifest`: the model's, for what is said of its training; `command`: the evaluation's."""
    training = manifest.get("training", {})
    limits = evaluation.thresholds
    how = _HOW.format(
        resume=resume_after_s, risk=limits.risk, pause=limits.crisis_pause, immediate=limits.crisis_immediate
    )
    parts = [
        f"# Model card: {evaluation.model} {evaluation.version}",
        f"Trained by `{training.get('command', 'unknown')}` (seed {training.get('seed', 'unknown')}). Every figure "
        f"below is the output of `{command}` (test seed {evaluation.seed}).",
        _USE + (_REMEMBERS if MEMORY in manifest.get("inputs", {}) else ""),
        "## Data",
        str(training.get("data", "Not recorded.")),
        how,
        "## Crises found",
        report.headline_table(evaluation.cohorts),
        _settled(manifest.get("validation", {}).get("thresholds")),
        "### By family",
        report.family_table(evaluation),
        "## Targets",
        report.gate_table(report.results_of(evaluation)),
        "## Against what knows nothing",
        report.chance_table(evaluation),
        "## Real people, none of them in a crisis",
        report.controls_text(evaluation),
        "## States",
        _states(evaluation, manifest.get("validation", {}).get("states")),
        "## Subgroups",
        report.gap_lines(evaluation),
        "## What it leans on",
        report.outcome_table("the client never sends", evaluation.ablations),
        "## If the simulator were another",
        constants_text(evaluation),
        _LIMITS,
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def write_report(folder: Path, evaluated: Evaluated, card_text: str) -> Path:
    """`report.md` with its pictures in the folder; the card's text comes first. Gives the report's path."""
    folder.mkdir(parents=True, exist_ok=True)
    evaluation = evaluated.evaluation
    parts = [card_text]
    for name, courses in evaluated.courses.items():
        pictures = draw(courses, evaluation.cohorts[name], folder, f"{name}-")
        parts += [f"## Pictures: {report.TITLES[name]}", *(f"![{p.stem}]({p.name})" for p in pictures)]
    parts += [
        "## Every figure",
        report.summary_tables(evaluation),
        "## Every subgroup",
        report.subgroup_table(evaluation),
        "## Generator's constants, halved and half more",
        report.outcome_table("constants", [each.outcome for each in evaluation.constants]),
        "## Missed events",
        report.missed_table(evaluation),
    ]
    path = folder / "report.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def constants_text(evaluation: Evaluation) -> str:
    """The worst of the variations beside the generator as it is."""
    lowest = worst(evaluation.constants)
    if lowest is None:
        return "Not measured in this run."
    rows: Sequence[Any] = [evaluation.constants[0].outcome, lowest.outcome]
    count = len(evaluation.constants) - 1
    return (
        f"Groups of the generator's constants by half less and half more, {count} variations on the same casts; shown: "
        "as they are, and the worst. The worst of so many looks worse than it is.\n\n"
        + report.outcome_table("constants", rows)
    )


def _settled(validation: dict[str, Any] | None) -> str:
    """What the thresholds came to where they were chosen: more events than a short test has, and no surprise in it."""
    if validation is None:
        return ""
    return (
        f"On validation, where the thresholds were chosen, {validation['sensitivity']:.2f} of the crises were found at "
        f"{validation['false_alarms']:.2f} false alarms an hour. Where a test set has few events, hold its figure "
        "against this one."
    )


def _states(evaluation: Evaluation, validation: dict[str, Any] | None = None) -> str:
    """The named task by replay; beside it what a logistic regression makes of it, where the training measured one."""
    f = evaluation.cohorts["iid"]
    shown, everything, majority = (
        f"{value:.3f}" if value is not None else "–"
        for value in (f.state_accuracy, f.state_accuracy_all, f.state_majority)
    )
    text = (
        "The task: which of five states, each second, unseen persons, where the client is seen and the state shows "
        f"(calm always does). Accuracy {shown}; always saying the commonest: {majority}; over all seconds, also those "
        f"in which nothing shows: {everything}.\n\n"
    )
    if validation is not None:
        text += (
            f"The same task on validation, whose persons are unseen too ({validation['seconds']} s): the model "
            f"{validation['accuracy']:.3f}, a logistic regression on the same features {validation['logistic']:.3f}, "
            f"the commonest {validation['majority']:.3f}; over all seconds the model {validation['accuracy_all']:.3f}."
            "\n\n"
        )
    return text + report.confusion_table(evaluation)
