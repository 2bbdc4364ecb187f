"""An observation goes in; nothing comes out unless a value of it is out of its range."""

from emdr_stream.domain import EMOTIONS, SIGNALS, Observation


def assert_in_range(observation: Observation) -> None:
    """Whatever was sent, what came of it is a reading that may be believed, or missing."""
    for name, value in zip(SIGNALS, observation.values, strict=True):
        low = -1.0 if name in ("valence", "arousal") else 0.0
        assert value != value or low <= value <= 1.0, name
    told = [value for value in observation.values[3:10] if value == value]
    assert not told or (len(told) == len(EMOTIONS) and abs(sum(told) - 1.0) <= 0.02 + 1e-9)
    assert 0.0 <= observation.quality <= 1.0
    assert observation.faces is None or observation.faces >= 0
    assert (observation.face_present is False) == (observation.faces == 0)
