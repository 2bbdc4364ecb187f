"""Labels: written and read again they are the same, and what is wrong is told with file, line and field."""

import pytest

from emdr_stream.evaluation.labels import Event, LabelsError, Seconds, Truth, label_line, read_labels

LEAST = b'{"recording": "a.jsonl", "person": "p"}'


def test_what_is_written_is_read_again() -> None:
    event = Event(kind="hyperarousal", onset_ms=70_000, end_ms=90_000, observable=False, marginal=True, note="told")
    seconds = Seconds(state=("calm", "drowsy"), observable=(True, False), present=(True, True))
    truth = Truth(recording="a.jsonl", person="p", from_ms=60_000, events=(event,), seconds=seconds, groups={"a": "b"})
    assert read_labels([label_line(truth), b"\n"]) == [truth]


def test_a_name_and_a_person_are_enough() -> None:
    assert read_labels([LEAST]) == [Truth(recording="a.jsonl", person="p")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"recording": "a.jsonl"}', "`person`"),
        (b'{"recording": "a.jsonl", "person": "p", "personn": 1}', "`personn`"),
        (LEAST[:-1] + b', "events": [{"kind": "panic", "onset_ms": 1, "end_ms": 2}]}', r"$.events[0].kind"),
        (LEAST[:-1] + b', "events": [{"kind": "hyperarousal", "onset_ms": 2, "end_ms": 1}]}', "`end_ms` 1"),
        (LEAST[:-1] + b', "sud": [{"at_ms": 2, "value": 11}]}', r"$.sud[0].value"),
        (LEAST[:-1] + b', "seconds": {"state": ["calm"], "observable": [], "present": []}}', "$.seconds"),
        (LEAST[:-1] + b', "from_ms": 5, "to_ms": 5}', "`to_ms` 5 must be after `from_ms` 5"),
        (b'{"recording": "../a.jsonl", "person": "p"}', "`recording`"),
        (b"no json", "line 3"),
        (LEAST, "labelled in line 1 already"),
    ],
)
def test_a_fault_is_told_with_its_line_and_field(line: bytes, said: str) -> None:
    with pytest.raises(LabelsError) as refusal:
        read_labels([LEAST, b"", line], "mine.jsonl")
    assert said in str(refusal.value)
    assert "mine.jsonl, line 3" in str(refusal.value)


def test_events_out_of_order_are_refused() -> None:
    late = Event(kind="hypoarousal", onset_ms=70_000, end_ms=90_000)
    early = Event(kind="hypoarousal", onset_ms=10_000, end_ms=30_000)
    with pytest.raises(ValueError, match="sort them"):
        Truth(recording="a.jsonl", person="p", events=(late, early))
