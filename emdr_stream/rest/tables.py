"""Operations in, the generated tables of `docs/rest.md` out.

`python -m emdr_stream.rest.tables docs/rest.md` renews the page's generated blocks; without a page it prints them.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from emdr_stream.domain import Role
from emdr_stream.rest.openapi import query_fields
from emdr_stream.rest.operation import Operation
from emdr_stream.rest.operations import OPERATIONS
from emdr_stream.rest.problems import MEANINGS

_BLOCK: Final = re.compile(r"<!-- begin (?P<name>[a-z-]+) -->\n.*?<!-- end (?P=name) -->", re.DOTALL)


def blocks(operations: Sequence[Operation] = OPERATIONS) -> dict[str, str]:
    """Every generated block by name."""
    return {
        "routes": _table(("route", *Role, "what it does"), (_row(operation) for operation in operations)),
        "problems": _table(
            ("status", "code", "what it says", "again after"),
            ((str(m.status), f"`{code}`", m.title, _again(m.retry_after_s)) for code, m in MEANINGS.items()),
        ),
    }


def renewed(page: str) -> str:
    """The page with every block as the declarations have it now. Raises KeyError for a marker that names no block."""
    current = blocks()
    return _BLOCK.sub(lambda found: _marked(found["name"], current[found["name"]]), page)


def _row(operation: Operation) -> tuple[str, ...]:
    query = ", ".join(f"`{field.encode_name}`" for field in query_fields(operation))
    notes = [operation.summary, f"Query: {query}." if query else "", "Takes a key." if operation.acts else ""]
    allowed = ("yes" if role in operation.roles else "-" for role in Role)
    return f"`{operation.method} {operation.path}`", *allowed, " ".join(filter(None, notes))


def _again(retry_after_s: int | None) -> str:
    return "" if retry_after_s is None else f"{retry_after_s} s"


def _marked(name: str, text: str) -> str:
    return f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str]) -> None:
    if not arguments:
        sys.stdout.write("\n\n".join(_marked(name, text) for name, text in blocks().items()) + "\n")
        return
    page = Path(arguments[0])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
