"""Rows and a page in, Markdown out: the blocks of a page that are made from the code, between markers that name them.

A block stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; whatever is between them is made anew.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

_BLOCK: Final = re.compile(r"<!-- begin (?P<name>[a-z-]+) -->\n.*?<!-- end (?P=name) -->", re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def renewed(page: str, blocks: Mapping[str, str]) -> str:
    """The page with every block as `blocks` has it now. Raises KeyError for a marker that names none of them."""
    return _BLOCK.sub(lambda found: _marked(found["name"], blocks[found["name"]]), page)


def renew_page(arguments: Sequence[str], blocks: Mapping[str, str]) -> None:
    """Renew the page that is named in the arguments; without one, print the blocks."""
    if not arguments:
        sys.stdout.write("\n\n".join(_marked(name, text) for name, text in blocks.items()) + "\n")
        return
    page = Path(arguments[0])
    page.write_text(renewed(page.read_text(encoding="utf-8"), blocks), encoding="utf-8")


def _marked(name: str, text: str) -> str:
    return f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->"
