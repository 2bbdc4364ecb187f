"""Parameters in, the Markdown table of `docs/simulator.md` out.

`python -m emdr_stream.simulation.table docs/simulator.md` renews the page's generated blocks; without a page it prints
them.
"""

import re
import sys
from typing import Final

from emdr_stream.generated import renew_page, table
from emdr_stream.simulation.families import TEST_MIXTURE
from emdr_stream.simulation.parameters import Parameters, describe
from emdr_stream.simulation.scenario import LATENTS
from emdr_stream.simulation.sensor import PROFILES

_CHANNELS: Final = (
    *("valence", "arousal", "attention"),
    *("joy", "sadness", "anger", "fear", "surprise", "disgust", "neutral"),
)
_KINDS: Final = ("assumed", "measured", "fitted")


def blocks() -> dict[str, str]:
    """Every generated block by name."""
    p = Parameters()
    rows = [
        (f"`{name}`", _plain(value), kind_of(source), source)
        for name, value, source in describe(p)
        if name != "loadings"
    ]
    loadings = zip(_CHANNELS, p.loadings, strict=True)
    return {
        "parameters": table(("constant", "value", "kind", "source"), rows),
        "loadings": table(("channel", *LATENTS), ((name, *map(_plain, row)) for name, row in loadings)),
        "mixture": table(("family", "share"), ((f"`{name}`", f"{share:.2f}") for name, share in TEST_MIXTURE.items())),
        "profiles": table(("sensor", "share"), ((f"`{name}`", f"{share:.2f}") for name, share in PROFILES.items())),
    }


def kind_of(source: str) -> str:
    """Where a constant is from, in a word: assumed, measured, fitted, mixed (partly assumed) or published."""
    said = {kind for kind in _KINDS if re.search(rf"\b{kind}\b", source)}
    if len(said) == 1:
        only = said.pop()
        return only if only != "assumed" or source.startswith("assumed") else "partly assumed"
    return "partly assumed" if "assumed" in said else "fitted" if said else "published"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    renew_page(sys.argv[1:], blocks())
