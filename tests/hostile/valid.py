"""Nothing goes in; valid messages of both sockets, with nearly every field, come out: what the mutator starts from."""

from typing import Any, Final

Message = dict[str, Any]

T0: Final = 1_750_000_000_000.0
_SEVEN: Final = {"joy": 0.1, "sadness": 0.1, "anger": 0.1, "fear": 0.2, "surprise": 0.1, "disgust": 0.1, "neutral": 0.3}
_CONFIG: Final = {
    "pattern_type": "horizontal",
    "speed": 1.0,
    "intensity": 0.5,
    "duration": 30.0,
    "colors": {"dot": "#aabbcc"},
    "audio_config": {"volume": 0.5, "spatial_audio": True, "binaural_frequency": 200.0},
    "safety_thresholds": {"risk": 0.5, "crisis_pause": 0.6, "crisis_immediate": 0.7},
}
_SAMPLE: Final = {
    "type": "sample",
    "id": 7,
    "ts": T0,
    "emotions": _SEVEN,
    "dimensions": {"valence": 0.1, "arousal": -0.2, "attention": 0.7},
    "signals": {"face_present": True, "blink_rate": 14.0, "eye_closure": 0.1, "head_motion": 0.1, "heart_rate": 70.0},
    "context": {"morphcast": {"sdk_version": "1.16", "smoothness": 0.4}},
}
_EVENTS: Final = [
    {"type": "CY_FACE_DETECTOR_RESULT", "ts": T0, "detail": {"rects": [{"x": 1, "y": 2}], "totalFaces": 1}},
    {
        "type": "CY_FACE_EMOTION_RESULT",
        "ts": T0,
        "detail": {"output": {"dominantEmotion": "Sad", "emotion": {"Angry": 0.1, "Sad": 0.6, "Neutral": 0.3}}},
    },
    {"type": "CY_FACE_AROUSAL_VALENCE_RESULT", "detail": {"output": {"arousal": 0.1, "valence": -0.2}}},
    {"type": "CY_FACE_ATTENTION_RESULT", "ts": T0, "detail": {"output": {"attention": 0.8}}},
    {"type": "CY_FACE_POSE_RESULT", "ts": T0, "detail": {"output": {"pose": {"pitch": 0, "roll": 0, "yaw": 0.1}}}},
    {"type": "CY_DATA_AGGREGATOR", "ts": T0, "detail": {"emotions": {"emotion_Sad": {"avg": 0.3, "samples": 4}}}},
]
MORPHCAST: Final[Message] = {"type": "morphcast", "id": "m-1", "ts": T0, "events": _EVENTS}

STREAM: Final[tuple[Message, ...]] = (
    _SAMPLE,
    _SAMPLE,
    _SAMPLE,
    MORPHCAST,
    MORPHCAST,
    {"type": "hello", "id": 1, "source": "emotion", "token": "t", "session_id": "s1", "user": "u1"},
    {
        "type": "hello",
        "source": "morphcast",
        "config": _CONFIG,
        "result_rate_hz": 10.0,
        "readiness": {"consent": True},
        "resume": {"resume_token": "r", "epoch": 1, "last_seq": 3},
    },
    {"type": "frame", "id": 3, "ts": T0, "image": b"\xff\xd8\xff\xe0 no picture"},
    {"type": "landmarks", "id": 3, "ts": T0},
    {"type": "set", "id": "a", "action": "start", "set_no": 1},
    {"type": "rating", "id": "b", "scale": "sud", "value": 7},
    {"type": "phase", "id": "c", "phase": "assessment"},
    {"type": "stop", "id": "d", "reason": "too much"},
    {"type": "applied", "id": "e", "control_epoch": 1, "stopped_ts": T0},
    {"type": "resume_request", "id": "f"},
    {"type": "ping", "id": "g", "t0": T0},
    {"type": "ping", "id": "g", "t0": T0},
    {"type": "auth", "id": "h", "token": "eyJhbGciOiJIUzI1NiJ9.e30.x"},
    {"type": "bye", "id": "i"},
)
WATCH: Final[tuple[Message, ...]] = (
    {"type": "hello", "id": 1, "token": "t", "resume_after": "1000000000000.s1.000001"},
    {"type": "subscribe", "id": 2, "sessions": ["*"], "rate_hz": 2},
    {"type": "subscribe", "id": 2, "sessions": ["s1", "s2"], "rate_hz": 10},
    {"type": "unsubscribe", "id": 3, "sessions": ["s1"]},
    {"type": "ack", "id": 4, "alert_id": "s1-1", "note": "seen"},
    {"type": "control.pause", "id": 5, "session_id": "s1", "reason": "hold", "mode": "hard"},
    {"type": "control.resume", "id": 6, "session_id": "s1", "reason": "go on"},
    {"type": "session.end", "id": 7, "session_id": "s1", "reason": "over"},
    {"type": "config.set", "id": 8, "session_id": "s1", "config": _CONFIG, "thresholds": {"risk": 0.5}},
    {"type": "received", "id": 9, "cursor": "1000000000000.s1.000001"},
    {"type": "ping", "id": "g", "t0": T0},
    {"type": "auth", "id": "h", "token": "eyJhbGciOiJIUzI1NiJ9.e30.x"},
)
BY_PATH: Final = {"/v1/stream": STREAM, "/v1/watch": WATCH}
