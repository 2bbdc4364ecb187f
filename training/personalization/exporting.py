"""In: a plan. Out: the decisions of one simulated course, in the form in which the service exports them."""

from dataclasses import replace
from math import isfinite

from emdr_stream.personalization.arms import ARMS
from emdr_stream.personalization.logged import LoggedDecision
from training.personalization.course import Way, run_course
from training.personalization.measuring import Measurement
from training.personalization.world import WORLDS


def decisions_of(plan: Measurement) -> list[LoggedDecision]:
    """Named `simulated`, so that nobody takes them for real ones."""
    course = replace(plan.course, clients=plan.logged, sessions=plan.logged_sessions)
    log = run_course(WORLDS[0], Way.LEARNED, course, plan.seed, logged=True).log
    if log is None:
        return []
    found = []
    for row, action in enumerate(log.action.tolist()):
        listed = [(k, float(p)) for k, p in enumerate(log.propensity[row]) if p > 0.0]
        reference, reward = int(log.reference[row]), float(log.reward[row])
        sud, set_no, recovery = log.context[row].tolist()
        found.append(
            LoggedDecision(
                policy="conservative-thompson-1",
                client=f"simulated-{int(log.unit[row])}",
                session=f"simulated-{int(log.unit[row])}",
                number=row,
                action=ARMS[action],
                propensities={ARMS[k]: p for k, p in listed},
                expected={ARMS[k]: float(log.expected[row, k]) for k, _ in listed},
                reference=None if reference < 0 else ARMS[reference],
                context={"sud": 5.0 + 10.0 * sud, "set_no": 5.0 + 10.0 * set_no, "recovery": 0.7 + recovery},
                reward=reward if isfinite(reward) else None,
            )
        )
    return found
