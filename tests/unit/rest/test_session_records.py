"""What the records hold of a session, as it is told."""

from typing import Any

from emdr_stream.rest.routes.sessions import record_of
from emdr_stream.store.session_rows import SessionRow

MODEL = {"name": "emotion_safety", "version": "7", "sha256": "0" * 64}
TOTALS = dict.fromkeys(
    ("samples", "dropped_late", "duplicates", "results", "pauses", "adaptations", "interventions", "alerts", "sets"), 1
) | {"duration_s": 60.5}


def row(**fields: Any) -> SessionRow:
    return SessionRow("s1", "anna", 1_000, 2_000, fields)


def test_what_a_later_version_wrote_otherwise_is_left_out_and_the_rest_is_told() -> None:
    # One such row, of a service that was upgraded and gone back from, made every page with it a 500.
    told = record_of(row(models=[MODEL | {"speed": 2}, {"name": "other"}], totals=TOTALS | {"frames": 3}, reason="bye"))
    assert [model.version for model in told.models] == ["7"]
    assert told.ended and told.reason == "bye" and told.totals is not None and told.totals.duration_s == 60.5
    less = record_of(row(totals={"samples": "many"}, reason="bye"))
    assert less.ended and less.reason == "bye" and less.totals is None


def test_a_session_without_an_end_has_no_totals() -> None:
    told = record_of(row(models=[MODEL], reason="moved", phase="closure"))
    assert (told.ended, told.totals, told.reason, told.phase) == (False, None, None, "closure")
