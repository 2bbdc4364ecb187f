"""Message types, close codes and error codes in, Markdown tables for `docs/protocol.md` out.

`python -m emdr_stream.wire.tables docs/protocol.md` renews the page's generated blocks; without a page it prints them.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from emdr_stream.errors import CLOSE_CODES, RETRYABLE, ErrorCode
from emdr_stream.wire.contract import ERROR_MEANINGS, MessageInfo, sockets, values_of

_BLOCK: Final = re.compile(r"<!-- begin (?P<name>[a-z-]+) -->\n.*?<!-- end (?P=name) -->", re.DOTALL)


def blocks() -> dict[str, str]:
    """Every generated block by name: messages by socket and direction, values, close codes, error codes."""
    stream, watch = sockets()
    everything = (*stream.received, *stream.sent, *watch.received, *watch.sent)
    return {
        "stream-received": _messages(stream.received),
        "stream-sent": _messages(stream.sent),
        "watch-received": _messages(watch.received),
        "watch-sent": _messages(watch.sent),
        "values": _messages(values_of(everything)),
        "close-codes": _table(
            ("code", "meaning", "the client"),
            ((str(int(code)), meaning, client) for code, (meaning, client) in sorted(CLOSE_CODES.items())),
        ),
        "error-codes": _table(
            ("code", "meaning", "may succeed later"),
            ((f"`{code}`", ERROR_MEANINGS[code], "yes" if code in RETRYABLE else "no") for code in ErrorCode),
        ),
    }


def renewed(page: str) -> str:
    """The page with every block between `begin NAME` and `end NAME` markers as the types have it now.

    Raises KeyError for a marker that names no block.
    """
    current = blocks()
    return _BLOCK.sub(lambda found: _marked(found["name"], current[found["name"]]), page)


def _marked(name: str, text: str) -> str:
    return f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->"


def _messages(messages: Iterable[MessageInfo]) -> str:
    return _table(("name", "fields", "meaning"), ((f"`{m.tag}`", _fields(m), m.summary) for m in messages))


def _fields(message: MessageInfo) -> str:
    return "<br>".join(f"`{field.name}{'' if field.required else '?'}` {field.kind}" for field in message.fields)


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
