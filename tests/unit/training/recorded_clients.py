"""A folder and a number go in, recordings of simulated clients with labels and consents come out."""

import json
from pathlib import Path

import numpy as np

from emdr_stream.evaluation.labels import Event, Seconds, Truth, label_line
from emdr_stream.simulation import Family, LatentState, SimulatedSession, simulate_session
from emdr_stream.simulation.messages import recording_lines

STARTED_TS = 1_795_000_000_000
_WORD = {
    LatentState.CALM: "calm",
    LatentState.PROCESSING: "processing",
    LatentState.DROWSY: "drowsy",
    LatentState.HYPERAROUSAL: "hyperarousal",
    LatentState.HYPOAROUSAL: "hypoarousal",
}


def write_clients(folder: Path, count: int, *, consents: int | None = None) -> list[Truth]:
    """`consents`: how many of them agreed that they are trained on; all by default."""
    folder.mkdir(parents=True, exist_ok=True)
    truths = []
    for number in range(count):
        session = simulate_session(
            np.random.default_rng([7, number]), (Family.PANIC, Family.SHUTDOWN)[number % 2], duration_s=180.0
        )
        name = f"client-{number}.jsonl"
        lines = [json.dumps(line) for line in recording_lines(session, STARTED_TS)]
        (folder / name).write_text("\n".join(lines) + "\n")
        truths.append(truth_of(session, name))
    (folder / "labels.jsonl").write_bytes(b"".join(label_line(truth) + b"\n" for truth in truths))
    agreed = [{"recording": truth.recording, "given_on": "2026-11-01"} for truth in truths[:consents]]
    (folder / "consent.jsonl").write_text("".join(json.dumps(each) + "\n" for each in agreed))
    return truths


def truth_of(session: SimulatedSession, name: str) -> Truth:
    states = list(LatentState)
    words = tuple(_WORD.get(states[int(index)], "calm") for index in session.labels.states)
    events = tuple(
        Event(
            kind="hyperarousal" if "hyper" in str(event.kind) or "panic" in str(event.kind) else "hypoarousal",
            onset_ms=int(event.onset_s * 1_000),
            end_ms=int(event.offset_s * 1_000),
            observable=event.observable,
        )
        for event in session.events
        if event.offset_s > event.onset_s
    )
    seconds = Seconds(
        state=words,  # type: ignore[arg-type]
        observable=tuple(bool(value) for value in session.labels.observable),
        present=tuple(True for _ in words),
    )
    return Truth(recording=name, person=name, events=events, seconds=seconds)
