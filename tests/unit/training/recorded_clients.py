"""A folder and a number go in, recordings of simulated clients with labels and consents come out."""

import json
from pathlib import Path

import numpy as np

from emdr_stream.evaluation.labels import Truth
from emdr_stream.recording.simulated import write_sessions
from emdr_stream.simulation import Family, simulate_session

_SEED = 7


def write_clients(folder: Path, count: int, *, consents: int | None = None) -> list[Truth]:
    """`consents`: how many of them agreed that they are trained on; all by default."""
    families = (Family.PANIC, Family.SHUTDOWN)
    sessions = [
        simulate_session(np.random.default_rng([_SEED, number]), families[number % 2], duration_s=185.0)
        for number in range(count)
    ]
    truths = [truth for _, truth in write_sessions(folder, sessions, _SEED)]
    agreed = [{"recording": truth.recording, "given_on": "2026-11-01"} for truth in truths[:consents]]
    (folder / "consent.jsonl").write_text("".join(json.dumps(each) + "\n" for each in agreed))
    return truths
