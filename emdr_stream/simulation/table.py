"""Parameters in, the Markdown table of `docs/simulator.md` out.

`python -m emdr_stream.simulation.table docs/simulator.md` renews the page's generated blocks; without a page it prints
them.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from emdr_stream.simulation.families import TEST_MIXTURE
from emdr_stream.simulation.parameters import Parameters, describe
from emdr_stream.simulation.scenario import LATENTS
from emdr_stream.simulation.sensor import PROFILES

_BLOCK: Final = re.compile(r"<!-- begin (?P<name>[a-z-]+) -->\n.*?<!-- end (?P=name) -->", re.DOTALL)
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
        "parameters": _table(("constant", "value", "kind", "source"), rows),
        "loadings": _table(("channel", *LATENTS), ((name, *map(_plain, row)) for name, row in loadings)),
        "mixture": _table(("family", "share"), ((f"`{name}`", f"{share:.2f}") for name, share in TEST_MIXTURE.items())),
        "profiles": _table(("sensor", "share"), ((f"`{name}`", f"{share:.2f}") for name, share in PROFILES.items())),
    }


def kind_of(source: str) -> str:
    """Where a constant is from, in a word: assumed, measured, fitted, mixed (partly assumed) or published."""
    said = {kind for kind in _KINDS if re.search(rf"\b{kind}\b", source)}
    if len(said) == 1:
        only = said.pop()
        return only if only != "assumed" or source.startswith("assumed") else "partly assumed"
    return "partly assumed" if "assumed" in said else "fitted" if said else "published"


def renewed(page: str) -> str:
    """The page with every block between its `begin` and `end` markers as the code has it now.

    Raises KeyError for a marker that names no block.
    """
    current = blocks()
    return _BLOCK.sub(lambda found: _marked(found["name"], current[found["name"]]), page)


def _marked(name: str, text: str) -> str:
    return f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(arguments: list[str]) -> None:
    if not arguments:
        sys.stdout.write("\n\n".join(_marked(name, text) for name, text in blocks().items()) + "\n")
        return
    page = Path(arguments[0])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
