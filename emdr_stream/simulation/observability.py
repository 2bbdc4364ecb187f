"""In: what a person shows of their latents, and the sensor. Out: whether anybody could see it, second by second.

A property of the generator, the same for every detector. Each channel that the sensor sends is measured in its own
momentary standard deviation: the sensor's noise and rounding and the person's idle movement together. What the latents
do to a channel of this person counts for the event where it has the direction in which an ordinary face and body (gain
1) would go, and against it where the person's channel is contrary: shown = |with| - |against|, each the root of the sum
of squares over channels. So a faint face shows little, a contrary one less than nothing, a channel that is not sent
nothing at all. A second is observable where this, smoothed over 5 s as the latents are, reaches `observable_sd`; an
event where `observable_share` of its seconds are.

Two momentary deviations: of noise of 0.4 s and idle movement of 3 s, a mean over ten seconds leaves between a quarter
and three quarters, so this is about three deviations or more of what a patient observer is left with; to err once in an
hour of ten-second looks takes nearly three.
"""

from dataclasses import replace

import numpy as np

from emdr_stream.simulation.body import body_evident
from emdr_stream.simulation.dynamics import Floats, centred_mean
from emdr_stream.simulation.face import Display
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import Person
from emdr_stream.simulation.sensor import SensorProfile, stirred

ROUNDED_SD = 12.0**-0.5
"""Of what rounding takes from a number, in its steps."""


def shown_deviation(
    person: Person, latents: Floats, display: Display, sensor: SensorProfile, parameters: Parameters
) -> Floats:
    """How much of the latents' deviation shows, in momentary standard deviations, smoothed (n,); negative: contrary."""
    p = parameters
    rounding = (
        np.concatenate([[1.0 / sensor.scale, 1.0 / sensor.scale, 1.0], np.zeros(7)]) * sensor.quantum * ROUNDED_SD
    )
    idle = np.hypot(display.idle_sd, rounding)
    face_noise = np.hypot(stirred(display.stir, p)[:, None] * sensor.noise_sd(p), idle)
    ordinary = np.column_stack([display.typical, body_evident(ordinary_body(person, p), latents, p)])
    own = np.column_stack([display.typical * display.gain, display.body.evident])
    noise = np.column_stack([face_noise, np.broadcast_to(display.body.noise, (len(own), 4))])
    sent = sensor.sent & np.array([*[True] * 13, person.has_heart_rate])
    z, expected = own[:, sent] / noise[:, sent], ordinary[:, sent] / noise[:, sent]
    agrees = z * expected > 0.0
    shown = np.sqrt((z**2 * agrees).sum(axis=1)) - np.sqrt((z**2 * ~agrees).sum(axis=1))
    clear = shown * (1.0 - p.occlusion_veil * display.veil) / (1.0 + p.occlusion_noise * display.veil)
    return centred_mean(clear, round(p.smoothing_s / p.step_s))


def ordinary_body(person: Person, p: Parameters) -> Person:
    """The same person with an ordinary agitation and heart."""
    mean = p.heart_panic_gain[0] / (1.0 - p.heart_none_share)
    return replace(person, agitation=p.head_motion_agitation[0], heart_gain=mean)
