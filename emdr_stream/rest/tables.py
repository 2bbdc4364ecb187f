"""Operations in, the generated tables of `docs/rest.md` out.

`python -m emdr_stream.rest.tables docs/rest.md` renews the page's generated blocks; without a page it prints them.
"""

import sys
from collections.abc import Sequence

from emdr_stream.domain import Role
from emdr_stream.generated import renew_page, table
from emdr_stream.rest.openapi import query_fields
from emdr_stream.rest.operation import Operation
from emdr_stream.rest.operations import OPERATIONS
from emdr_stream.rest.problems import MEANINGS


def blocks(operations: Sequence[Operation] = OPERATIONS) -> dict[str, str]:
    """Every generated block by name."""
    return {
        "routes": table(("route", *Role, "what it does"), (_row(operation) for operation in operations)),
        "problems": table(
            ("status", "code", "what it says", "again after"),
            ((str(m.status), f"`{code}`", m.title, _again(m.retry_after_s)) for code, m in MEANINGS.items()),
        ),
    }


def _row(operation: Operation) -> tuple[str, ...]:
    query = ", ".join(f"`{field.encode_name}`" for field in query_fields(operation))
    notes = [operation.summary, f"Query: {query}." if query else "", "Takes a key." if operation.acts else ""]
    allowed = ("yes" if role in operation.roles else "-" for role in Role)
    return f"`{operation.method} {operation.path}`", *allowed, " ".join(filter(None, notes))


def _again(retry_after_s: int | None) -> str:
    return "" if retry_after_s is None else f"{retry_after_s} s"


if __name__ == "__main__":
    renew_page(sys.argv[1:], blocks())
