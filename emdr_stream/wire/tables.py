"""Message types, close codes and error codes in, Markdown tables for `docs/protocol.md` out.

`python -m emdr_stream.wire.tables docs/protocol.md` renews the page's generated blocks; without a page it prints them.
"""

import sys
from collections.abc import Iterable

from emdr_stream.errors import CLOSE_CODES, RETRYABLE, ErrorCode
from emdr_stream.generated import renew_page, table
from emdr_stream.wire.contract import ERROR_MEANINGS, MessageInfo, sockets, values_of


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
        "close-codes": table(
            ("code", "meaning", "the client"),
            ((str(int(code)), meaning, client) for code, (meaning, client) in sorted(CLOSE_CODES.items())),
        ),
        "error-codes": table(
            ("code", "meaning", "may succeed later"),
            ((f"`{code}`", ERROR_MEANINGS[code], "yes" if code in RETRYABLE else "no") for code in ErrorCode),
        ),
    }


def _messages(messages: Iterable[MessageInfo]) -> str:
    return table(("name", "fields", "meaning"), ((f"`{m.tag}`", _fields(m), m.summary) for m in messages))


def _fields(message: MessageInfo) -> str:
    return "<br>".join(f"`{field.name}{'' if field.required else '?'}` {field.kind}" for field in message.fields)


if __name__ == "__main__":
    renew_page(sys.argv[1:], blocks())
