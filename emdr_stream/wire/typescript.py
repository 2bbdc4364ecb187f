"""Message types in, TypeScript declarations of them out: `messages.d.ts` of the browser library.

`python -m emdr_stream.wire.typescript emdr_stream/browser/client/messages.d.ts` renews the file; without one it prints.
"""

import json
import sys
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect

from emdr_stream.errors import CloseCode, ErrorCode
from emdr_stream.wire.contract import MessageInfo, sockets, values_of

_HEAD: Final = """\
// The messages of both sockets, as TypeScript has them. Made from the service's message types by
// `python -m emdr_stream.wire.typescript`, and a test fails when they differ: do not write in here.
// Units, ranges and rules: docs/protocol.md.
"""
_WIDTH: Final = 120


def declarations() -> str:
    """The whole file."""
    stream, watch = sockets()
    unions = {
        "ClientMessage": (stream.received, "What a client sends on `/v1/stream`."),
        "ServerMessage": (stream.sent, "What the service sends on `/v1/stream`."),
        "WatchMessage": (watch.received, "What a console sends on `/v1/watch`."),
        "ConsoleMessage": (watch.sent, "What the service sends on `/v1/watch`."),
    }
    messages = {info.cls: info for group, _ in unions.values() for info in group}
    values = values_of(tuple(messages.values()))
    enums = _enums_of([info.cls for info in (*messages.values(), *values)])
    parts = [
        _HEAD,
        *(f"export type {name} ={_choice(member.value for member in enum)};" for name, enum in enums.items()),
        f"export type ErrorCode ={_choice(code.value for code in ErrorCode)};",
        f"/** What a close frame says: docs/protocol.md. */\nexport type CloseCode ={_close_codes()};",
        *(_interface(info, tagged=False) for info in values),
        *(_interface(info, tagged=True) for info in messages.values()),
        *(_union(name, group, summary) for name, (group, summary) in unions.items()),
    ]
    return "\n".join(parts) + "\n"


def _interface(info: MessageInfo, *, tagged: bool) -> str:
    tag = [f'  type: "{info.tag}";'] if tagged else []
    fields = inspect.type_info(info.cls).fields  # type: ignore[attr-defined]
    lines = [f"  {part.encode_name}{'' if part.required else '?'}: {_type(part.type)};" for part in fields]
    summary = f"{_comment(info.summary)}\n" if info.summary else ""
    return "\n".join([f"{summary}export interface {info.cls.__name__} {{", *tag, *lines, "}"])


def _comment(text: str) -> str:
    return f"/** {text.replace('*/', '* /')} */"


def _union(name: str, group: Iterable[MessageInfo], summary: str) -> str:
    return f"{_comment(summary)}\nexport type {name} ={_broken([info.cls.__name__ for info in group])};"


def _choice(values: Iterable[Any]) -> str:
    return _broken([json.dumps(value) for value in values])


def _close_codes() -> str:
    # 1006 is what a browser reports of a broken connection; no frame carries it.
    return _broken([str(code.value) for code in CloseCode])


def _broken(choices: list[str]) -> str:
    """What stands behind the `=`: one line, or one choice a line where that would be too long."""
    line = " | ".join(choices)
    return f" {line}" if len(line) <= _WIDTH - 40 else "".join(f"\n  | {choice}" for choice in choices)


_PLAIN: Final[dict[type[inspect.Type], str]] = {
    inspect.AnyType: "unknown",
    inspect.BoolType: "boolean",
    inspect.BytesType: "Uint8Array",
    inspect.FloatType: "number",
    inspect.IntType: "number",
    inspect.NoneType: "null",
    inspect.StrType: "string",
}


def _type(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inner):
            return _type(inner)
        case inspect.UnionType(types=types):
            return " | ".join(dict.fromkeys(_type(part) for part in types))
        case inspect.EnumType(cls=enum):
            return enum.__name__
        case inspect.LiteralType(values=values):
            return " | ".join(json.dumps(value) for value in values)
        case inspect.StructType(cls=cls):
            return cls.__name__
        case _:
            return _container(kind)


def _container(kind: inspect.Type) -> str:
    match kind:
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"Array<{_type(item)}>"
        case inspect.TupleType(item_types=items):
            return f"[{', '.join(_type(item) for item in items)}]"
        case inspect.DictType(value_type=value):
            return f"Record<string, {_type(value)}>"
        case _:
            return _PLAIN[type(kind)]


def _enums_of(structs: Iterable[type[msgspec.Struct]]) -> dict[str, type[Enum]]:
    """The enums that fields of these structs are made of, in alphabetical order."""
    found: dict[str, type[Enum]] = {}
    for struct in structs:
        for part in inspect.type_info(struct).fields:  # type: ignore[attr-defined]
            kinds = [part.type]
            while kinds:
                kind = kinds.pop()
                if isinstance(kind, inspect.EnumType):
                    found[kind.cls.__name__] = kind.cls
                kinds += getattr(kind, "types", ())
                kinds += [inner for name in ("type", "item_type") if (inner := getattr(kind, name, None)) is not None]
    return dict(sorted(found.items()))


def main(arguments: list[str]) -> None:
    if arguments:
        Path(arguments[0]).write_text(declarations(), encoding="utf-8")
    else:
        sys.stdout.write(declarations())


if __name__ == "__main__":
    main(sys.argv[1:])
