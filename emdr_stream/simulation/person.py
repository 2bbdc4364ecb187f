"""In: a random generator and the parameters. Out: one simulated person, with their window, face and body."""

from dataclasses import dataclass

import numpy as np

from emdr_stream.simulation.dynamics import Floats
from emdr_stream.simulation.parameters import Parameters

FACE_CHANNELS = 10  # valence, arousal, attention and the seven emotions
EXPRESSIVITY_LOG_MEAN = -0.1
THIRD_Z = 0.4307  # a third of a normal distribution lies below minus this, a third above


@dataclass(frozen=True, slots=True)
class Person:
    """What stays the same for one person. Arrays of 10 follow the face channels, of 5 the latents."""

    person_id: str
    window_edge: float  # activation above rest at which hyperarousal begins
    low_edge: float  # activation below rest at which hypoarousal begins
    tau_s: Floats  # (5,)
    set_fade: float  # how much of a set's peak is left in the next one
    rest: Floats  # (10,): three dimensions, seven emotion logits
    channel_gain: Floats  # (10,): expressivity times how the channel links to the latent; negative is contrary
    expressivity: float  # how much a clear channel shows; the population's median is about 0.9
    liveliness: float  # spread of expression that means nothing
    mask: float  # share of the expression that reaches the face
    blink_per_min: float
    eye_closure: float
    head_motion: float
    agitation: float  # how much activation moves the head
    heart_per_min: float
    heart_gain: float  # beats per minute at activation 1 above rest
    has_heart_rate: bool
    glances_per_min: float  # looks away from the screen
    grimace: float  # how much a crying face is misread as a smile, in logits
    tears_closure: float  # how much tears close the eyes
    shifted: bool = False  # drawn from, or moved to, another distribution


def draw_channel_gain(rng: np.random.Generator, parameters: Parameters) -> Floats:
    """How each face channel links to the latents (10,): clear (1), weak or none, or contrary (negative)."""
    p = parameters
    kind = rng.random(FACE_CHANNELS)
    gain = rng.uniform(*p.weak_gain, FACE_CHANNELS)
    gain = np.where(kind < p.clear_share, 1.0, gain)
    return np.where(kind > 1.0 - p.inverted_share, rng.uniform(*p.inverted_gain, FACE_CHANNELS), gain)


def draw_rest(rng: np.random.Generator, parameters: Parameters) -> Floats:
    """The resting face (10,): valence, arousal, attention, then emotion logits with neutral the strongest."""
    valence_sd, arousal_sd = parameters.rest_offset_sd
    dimensions = (rng.normal(0.0, valence_sd), rng.normal(0.02, arousal_sd), rng.uniform(*parameters.rest_attention))
    logits = np.array(parameters.rest_logits)
    logits += rng.normal(0.0, rng.uniform(*parameters.emotion_bias_sd), len(logits))
    return np.concatenate([dimensions, logits])


def draw_heart_gain(rng: np.random.Generator, parameters: Parameters) -> float:
    """Heart-rate gain in beats per minute: none for 42 %, otherwise from a gamma with the published mean."""
    mean, highest = parameters.heart_panic_gain
    if rng.random() < parameters.heart_none_share:
        return 0.0
    return float(min(rng.gamma(3.0, mean / (1.0 - parameters.heart_none_share) / 3.0), highest))


def expressivity_third(person: Person, parameters: Parameters) -> str:
    """Which third of the population the person's expressivity, masked as it may be, belongs to."""
    z = (np.log(max(person.expressivity * person.mask, 1e-6)) - EXPRESSIVITY_LOG_MEAN) / parameters.expressivity_log_sd
    return "low" if z < -THIRD_Z else "high" if z > THIRD_Z else "middle"


def draw_person(rng: np.random.Generator, person_id: str, parameters: Parameters) -> Person:
    """Draw one person; the same generator state gives the same person."""
    p = parameters
    expressivity = float(
        np.clip(np.exp(rng.normal(EXPRESSIVITY_LOG_MEAN, p.expressivity_log_sd)), *p.expressivity_range)
    )
    return Person(
        person_id=person_id,
        window_edge=float(max(rng.normal(*p.window_edge), 0.4)),
        low_edge=float(max(rng.normal(*p.low_edge), 0.3)),
        tau_s=np.clip(np.asarray(p.tau_s) * np.exp(rng.normal(0.0, p.tau_log_sd)), 1.0, 12.0),
        set_fade=float(rng.uniform(*p.set_fade)),
        rest=draw_rest(rng, p),
        channel_gain=expressivity * draw_channel_gain(rng, p),
        expressivity=expressivity,
        liveliness=expressivity * float(np.exp(rng.normal(0.0, 0.3))),
        mask=1.0,
        blink_per_min=float(p.blink_per_min[0] * np.exp(rng.normal(0.0, p.blink_per_min[1]))),
        eye_closure=float(rng.uniform(*p.eye_closure_rest)),
        head_motion=float(p.head_motion_rest[0] * np.exp(rng.normal(0.0, p.head_motion_rest[1]))),
        agitation=float(p.head_motion_agitation[0] * np.exp(rng.normal(0.0, p.head_motion_agitation[1]))),
        heart_per_min=float(rng.normal(*p.heart_rest)),
        heart_gain=draw_heart_gain(rng, p),
        has_heart_rate=bool(rng.random() < p.heart_share),
        glances_per_min=float(rng.uniform(*p.glances_per_min)),
        grimace=float(rng.uniform(*p.tears_grimace_logit)),
        tears_closure=float(rng.uniform(*p.tears_eye_closure)),
    )
