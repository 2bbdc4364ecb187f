"""In: a version folder of `emotion_safety` and a plan. Out: everything that its report, card and manifest tell of it.

The thresholds are those of the manifest, which were settled on validation before any test set was opened.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from emdr_stream.domain import Thresholds
from emdr_stream.evaluation.course import Course
from emdr_stream.evaluation.figures import Figures
from emdr_stream.evaluation.measuring import figures_of
from emdr_stream.inference.manifest import read_manifest
from emdr_stream.recording.format import RecordingError
from emdr_stream.recording.replay import Scorer
from emdr_stream.recording.trials import Crew, MakeCase, ModelScorer, manifest_thresholds
from training.evaluation import controls
from training.evaluation.baselines import absolute_rule, shuffled_sensitivity, silent, silent_accuracy
from training.evaluation.cases import SILENCED, TEST_SETS, Cohort, Draw, cases_of
from training.evaluation.constants import variations
from training.evaluation.plan import Plan
from training.evaluation.shape import Chance, Evaluation, Outcome, Varied
from training.run import Progress, Silence

RULED: Final = (Cohort.IID, Cohort.SHIFTED, Cohort.HELD_OUT)
"""Test sets on which the brief's rule is tried too."""


@dataclass(slots=True)
class Evaluated:
    """The evaluation, and the courses of the test sets behind it, for the plots."""

    evaluation: Evaluation
    courses: dict[str, list[Course]] = field(default_factory=dict)


class Protocol:
    """Runs the parts of an evaluation for one model."""

    def __init__(self, version_dir: Path, plan: Plan, progress: Progress | None = None) -> None:
        """Raises ModelRefused for a folder without a model that the service would load."""
        self._manifest = read_manifest(version_dir)
        self._scorer = ModelScorer(version_dir)
        self._scorer()
        self._thresholds = manifest_thresholds(version_dir)
        self._plan = plan
        self._progress = progress or Silence()
        self._crew = Crew(plan.processes)

    def run(self, data: Path | None = None) -> Evaluated:
        """All parts. `data`: folder of real recordings; without it the controls are not measured."""
        with self._crew:
            return self._run(data)

    def figures(self, cohorts: Sequence[Cohort]) -> dict[str, Figures]:
        """Of these test sets alone."""
        with self._crew:
            return {cohort.value: figures_of(self._test(cohort), cohort.value) for cohort in cohorts}

    def _run(self, data: Path | None) -> Evaluated:
        courses = {cohort.value: self._test(cohort) for cohort in TEST_SETS}
        evaluation = Evaluation(
            model=self._manifest.name,
            version=self._manifest.version,
            sha256=self._manifest.sha256,
            thresholds=self._thresholds,
            seed=self._plan.seed,
            sessions=self._plan.sessions,
            cohorts={name: figures_of(own, name) for name, own in courses.items()},
            chance=chance(courses[Cohort.IID]),
            rule=self._rule(),
            ablations=self._ablations(),
            constants=self._constants(),
            controls=None if data is None else self._controls(data),
        )
        return Evaluated(evaluation, courses)

    def _test(self, cohort: Cohort) -> list[Course]:
        count = self._plan.long_sessions if cohort is Cohort.LONG else self._plan.sessions
        cases = cases_of(Draw(cohort, self._plan.seed), count)
        return self._replay(f"test set {cohort}", cases)

    def _rule(self) -> dict[str, Outcome]:
        """The brief's rule, at the service's own thresholds."""
        outcomes = {}
        for cohort in RULED:
            cases = cases_of(Draw(cohort, self._plan.seed), self._plan.sessions)
            courses = self._replay(f"the brief's rule, {cohort}", cases, absolute_rule, Thresholds())
            outcomes[cohort.value] = outcome(cohort, courses)
        return outcomes

    def _ablations(self) -> list[Outcome]:
        """The same sessions with everything, and with one group of signals never sent."""
        count, draw = self._plan.ablation_sessions, Draw(Cohort.IID, self._plan.seed)
        if not count:
            return []
        named = [("nothing left out", ""), *((f"without {name}", name) for name in SILENCED)]
        return [outcome(told, self._replay(told, cases_of(draw, count, key))) for told, key in named]

    def _constants(self) -> list[Varied]:
        """The same casts with the generator's constants varied; the first is the generator as it is."""
        count, seed = self._plan.constant_sessions, self._plan.seed
        if not count:
            return []
        asked = [("as they are", 1.0, None), *variations()]
        found = []
        for name, factor, parameters in asked:
            cases = cases_of(Draw(Cohort.VARIED, seed, parameters), count)
            told = f"{name} × {factor:g}"
            found.append(Varied(name=name, factor=factor, outcome=outcome(told, self._replay(told, cases))))
        return found

    def _controls(self, data: Path) -> controls.Controls:
        plain, panics = controls.speaker_cases(data)
        with_hearts = controls.has_hearts(data)
        hearts = controls.heart_cases(data, self._plan.hearts) if with_hearts else []
        stress = {f"heart-{who}": stress for who, (_, stress) in controls.hearts(data).items()} if with_hearts else {}
        return controls.controls_of(
            self._replay("real speakers", plain),
            self._replay("real speakers with a panic laid over", panics),
            self._replay("real heart rates", hearts),
            stress,
        )

    def _replay(
        self,
        what: str,
        cases: Sequence[MakeCase],
        make_scorer: Callable[[], Scorer] | None = None,
        thresholds: Thresholds | None = None,
    ) -> list[Course]:
        self._progress.begin(what, len(cases))
        courses = []
        for course in self._crew.run(
            cases,
            make_scorer or self._scorer,
            thresholds=thresholds or self._thresholds,
            resume_after_s=self._plan.resume_after_s,
        ):
            if isinstance(course, RecordingError):
                raise course
            courses.append(course)
            self._progress.reach(len(courses))
        return courses


def chance(courses: Sequence[Course]) -> Chance:
    """What silence and shuffled truths come to on these recordings."""
    return Chance(
        silent_sensitivity=figures_of(silent(courses), "silent").sensitivity.value,
        silent_accuracy=silent_accuracy(courses),
        shuffled_sensitivity=shuffled_sensitivity(courses),
    )


def outcome(name: str, courses: Sequence[Course]) -> Outcome:
    """The two figures that a condition is judged by."""
    figures = figures_of(courses, name)
    return Outcome(
        name=name,
        events=figures.events,
        sensitivity=figures.sensitivity,
        false_alarms_per_hour=figures.false_alarms_per_hour,
    )
