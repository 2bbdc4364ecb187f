"""In: a seed. Out: simulated clients, as arrays with their truth for training and as protocol messages for `simulate`.

Order of reading: parameters, person, scenario (what happens), face (what shows), sensor (what is sent), labels (what
was true), session (all of it), messages (as a client sends it). Pure: numpy and the generator handed in, nothing else.
"""

from emdr_stream.simulation.labels import CRISES, Event, EventKind, Labels, LatentState
from emdr_stream.simulation.messages import TimedMessage, recording_lines, session_messages
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import Person, draw_person
from emdr_stream.simulation.scenario import Family
from emdr_stream.simulation.sensor import SensorProfile, draw_sensor
from emdr_stream.simulation.session import SimulatedSession, simulate_cohort, simulate_session

__all__ = [
    "CRISES",
    "Event",
    "EventKind",
    "Family",
    "Labels",
    "LatentState",
    "Parameters",
    "Person",
    "SensorProfile",
    "SimulatedSession",
    "TimedMessage",
    "draw_person",
    "draw_sensor",
    "recording_lines",
    "session_messages",
    "simulate_cohort",
    "simulate_session",
]
