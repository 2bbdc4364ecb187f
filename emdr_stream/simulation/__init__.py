"""In: a seed. Out: simulated clients, as arrays with their truth for training and as protocol messages for `simulate`.

Order of reading: parameters, person, scenario and families (what happens), face and body (what shows), sensor and
sensing (what is sent), observability and labels (what was true), session (all of it), messages (as a client sends it),
truth (as `labels.jsonl` has it), table (the parameters, for the pages). Pure: numpy and the generator handed in.
"""

from emdr_stream.simulation.families import COURSES, TEST_DURATION_S, TEST_MIXTURE, Family
from emdr_stream.simulation.labels import CRISES, Event, EventKind, Labels, LatentState
from emdr_stream.simulation.messages import TimedMessage, recording_lines, session_messages
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import Person, draw_person
from emdr_stream.simulation.scenario import Course
from emdr_stream.simulation.sensor import SensorProfile, draw_sensor
from emdr_stream.simulation.session import SimulatedSession, mixed_cohort, simulate_cohort, simulate_session
from emdr_stream.simulation.truth import Prevalence, prevalence, truth_of

__all__ = [
    "COURSES",
    "CRISES",
    "TEST_DURATION_S",
    "TEST_MIXTURE",
    "Course",
    "Event",
    "EventKind",
    "Family",
    "Labels",
    "LatentState",
    "Parameters",
    "Person",
    "Prevalence",
    "SensorProfile",
    "SimulatedSession",
    "TimedMessage",
    "draw_person",
    "draw_sensor",
    "mixed_cohort",
    "prevalence",
    "recording_lines",
    "session_messages",
    "simulate_cohort",
    "simulate_session",
    "truth_of",
]
