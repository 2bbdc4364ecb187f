"""Which targets a version is to miss goes in, metrics as an evaluation writes them come out."""

from typing import Any

from emdr_stream.evaluation.gates import GATES


def figures(**reached: float) -> dict[str, Any]:
    """Metrics that reach every target, but for those that are told, with `__` for the dot in a target's name."""
    told = {name.replace("__", "."): value for name, value in reached.items()}
    found: dict[str, Any] = {}
    for gate in GATES:
        group, name = gate.name.split(".")
        found.setdefault(group, {})[name] = told.pop(gate.name, gate.must)
    assert not told, f"no such target: {told}"
    return found
