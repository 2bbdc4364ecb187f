"""In: the generator's constants. Out: the same by half more and by half less, a handful of kin at a time."""

from dataclasses import replace
from typing import Any, Final

from emdr_stream.simulation import Parameters
from emdr_stream.simulation.parameters import describe

FACTORS: Final = (0.5, 1.5)
UNSOURCED: Final = ("assumed", "fitted")
"""What the source of a constant says where nobody measured it."""

KIN: Final[dict[str, tuple[str, ...]]] = {
    "window's edges": ("window_edge", "low_edge", "dissociation_edge", "drowsiness_edge", "inside_share"),
    "time constants of the latents": ("tau_s",),
    "latent noise": ("latent_sd", "wander_tau_s", "wander_dimension_sd", "wander_logit_sd"),
    "sets and breaks": ("break_s", "set_onset_dip", "set_onset_s", "set_creep", "set_fade"),
    "processing": ("processing_activation", "processing_valence", "wave_peak", "wave_valence", "topic_offset_sd"),
    "abreaction": ("abreaction_share_of_edge", "abreaction_valence"),
    "panic": ("panic_rise_s", "panic_above_edge", "panic_hold_s", "panic_fall_s", "panic_valence"),
    "depth of shutdown": (
        "shutdown_level",
        "shutdown_flat_activation",
        "shutdown_freeze_activation",
        "shutdown_engagement",
    ),
    "length and form of shutdown": ("shutdown_rise_s", "shutdown_hold_s", "shutdown_flat_share"),
    "loadings of the face": ("loadings",),
    "rest of the face": ("rest_logits", "rest_attention", "expressivity_range"),
    "weak and contrary channels": ("clear_share", "inverted_share", "weak_gain", "inverted_gain"),
    "face of dissociation": ("flat_liveliness", "frozen_liveliness", "frozen_expression", "blink_dissociated"),
    "talk and laughter": ("talk_surprise_logit", "laugh_joy_logit", "laugh_valence"),
    "glances": ("glances_per_min", "glance_s", "glance_depth"),
    "tears": ("tears_share", "tears_sadness_logit", "tears_grimace_logit", "tears_eye_closure"),
    "lids, blinks and head": (
        "blink_per_min",
        "blink_set",
        "blink_window_s",
        "eye_closure_rest",
        "eye_closure_drowsy",
        "head_motion_rest",
        "head_motion_agitation",
    ),
    "heart": ("heart_tau_s", "heart_lag_s", "heart_share", "heart_smoothing_s", "heart_noise"),
    "glitches of the heart": ("heart_glitches_per_min", "heart_glitch_s", "heart_glitch_sd"),
    "noise of the sensor": (
        "noise_tau_s",
        "noise_sd",
        "noise_white_share",
        "noise_white_logit_share",
        "noise_logit_sd",
        "noise_still_share",
        "burst_share",
        "noisy_factor",
    ),
    "bias and drift of the sensor": ("sensor_bias_sd", "sensor_drift_per_min", "drift_settles_s", "dimension_scale"),
    "losses of the sensor": (
        "jitter",
        "drop_share",
        "gaps_per_min",
        "gap_s",
        "duplicate_share",
        "disorder_share",
        "missing_share",
        "reports_absence_share",
        "absence_s",
    ),
    "hands and light": (
        "occlusions_per_min",
        "occlusion_s",
        "occlusion_veil",
        "occlusion_noise",
        "occlusion_loses_face",
        "lights_per_min",
        "light_s",
        "light_noise",
        "light_bias_sd",
    ),
}
LEFT_OUT: Final[dict[str, str]] = {
    "step_s": "the grid of the computation",
    "baseline_s": "the protocol of a session",
    "drowsy_activation": "makes no crisis",
    "drowsy_level": "makes no crisis",
    "drowsy_rise_s": "makes no crisis",
    "marginal_share": "what counts as an event",
    "observable_sd": "what counts as an event",
    "observable_share": "what counts as an event",
    "stop_share": "nobody presses stop in a test",
    "stop_delay_s": "nobody presses stop in a test",
    "sud_start": "no model reads ratings",
    "sud_decay": "no model reads ratings",
    "sud_first_rise_share": "no model reads ratings",
    "sud_noise": "no model reads ratings",
    "quality_rest": "of the camera's own answer alone",
    "third_party_rate_hz": "a rate, as published ones are",
}
"""Unsourced constants that are not varied, and why; those of the randomisation in training (`shift_`) neither."""


def variations() -> list[tuple[str, float, Parameters]]:
    """Name, factor and constants of every variation."""
    return [(name, factor, varied(names, factor)) for name, names in KIN.items() for factor in FACTORS]


def varied(names: tuple[str, ...], factor: float) -> Parameters:
    """The generator's constants with these times `factor`; shares stay within 0..1."""
    standard = Parameters()
    return replace(standard, **{name: _scaled(name, getattr(standard, name), factor) for name in names})


def unsourced() -> set[str]:
    """The constants that nobody measured, but for those of the randomisation in training."""
    told = ((name, source) for name, _, source in describe(Parameters()))
    return {
        name for name, source in told if any(word in source for word in UNSOURCED) and not name.startswith("shift_")
    }


def _scaled(name: str, value: Any, factor: float) -> Any:
    if isinstance(value, tuple):
        return tuple(_scaled(name, each, factor) for each in value)
    scaled = value * factor
    return min(scaled, 1.0) if "share" in name else scaled
