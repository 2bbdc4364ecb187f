"""Message types in, the AsyncAPI 3.1 document of both sockets out; served at `/v1/asyncapi.json`."""

from typing import Any, Final

import msgspec

from emdr_stream.errors import CLOSE_CODES, RETRYABLE, ErrorCode
from emdr_stream.wire.codec import JSON, MSGPACK, SUBPROTOCOLS
from emdr_stream.wire.contract import ERROR_MEANINGS, MessageInfo, SocketInfo, sockets

ASYNCAPI_VERSION: Final = "3.1.0"
_SCHEMA_REF: Final = "#/components/schemas/{name}"
_TOKEN_REF: Final = {"$ref": "#/components/securitySchemes/token"}

Document = dict[str, Any]


def asyncapi_document(version: str) -> Document:
    """The document for this version of the package: plain JSON values, built anew each time.

    Operations are the service's own: it receives what clients send. Schemas are those of the JSON subprotocol, in which
    bytes are base64; in MessagePack the same maps carry them as they are.
    """
    both = sockets()
    messages = {info.cls: info for socket in both for info in (*socket.received, *socket.sent)}
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "emdr_stream",
            "version": version,
            "description": "Real-time service behind EMDR therapy software: both WebSockets.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"plain": _server("ws"), "tls": _server("wss")},
        "channels": {socket.name: _channel(socket) for socket in both},
        "operations": {key: operation for socket in both for key, operation in _operations(socket).items()},
        "components": {
            "messages": {cls.__name__: _message(info) for cls, info in messages.items()},
            "schemas": _schemas(tuple(messages)),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "On the handshake, or as `token` in `hello` within 5 s.",
                }
            },
        },
        "x-error-codes": [
            {"code": code.value, "meaning": ERROR_MEANINGS[code], "retryable": code in RETRYABLE} for code in ErrorCode
        ],
    }


def _server(protocol: str) -> Document:
    return {
        "host": "{host}",
        "protocol": protocol,
        "description": "A worker of the service; any worker serves any session.",
        "variables": {"host": {"default": "localhost:8001", "description": "host and port of the service"}},
        "security": [_TOKEN_REF],
    }


def _channel(socket: SocketInfo) -> Document:
    return {
        "address": socket.path,
        "summary": socket.summary,
        "servers": [{"$ref": "#/servers/plain"}, {"$ref": "#/servers/tls"}],
        "messages": {
            info.cls.__name__: {"$ref": f"#/components/messages/{info.cls.__name__}"}
            for info in (*socket.received, *socket.sent)
        },
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {"Sec-WebSocket-Protocol": {"type": "string", "enum": list(SUBPROTOCOLS)}},
                    "required": ["Sec-WebSocket-Protocol"],
                },
            }
        },
        "x-subprotocols": {
            MSGPACK: {"messages": "binary", "contentType": "application/msgpack"},
            JSON: {"messages": "text", "contentType": "application/json"},
        },
        "x-close-codes": [
            {"code": int(code), "meaning": meaning, "client": client} for code, (meaning, client) in CLOSE_CODES.items()
        ],
    }


def _operations(socket: SocketInfo) -> Document:
    return {
        f"{socket.name}.{action}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{socket.name}"},
            "summary": f"What the service {verb} on {socket.path}.",
            "messages": [{"$ref": f"#/channels/{socket.name}/messages/{info.cls.__name__}"} for info in messages],
        }
        for action, verb, messages in (("receive", "receives", socket.received), ("send", "sends", socket.sent))
    }


def _message(info: MessageInfo) -> Document:
    return {
        "name": info.tag,
        "title": info.cls.__name__,
        "summary": info.summary,
        "contentType": "application/json",
        "payload": {"$ref": _SCHEMA_REF.format(name=info.cls.__name__)},
    }


def _schemas(types: tuple[type[msgspec.Struct], ...]) -> Document:
    _, components = msgspec.json.schema_components(types, ref_template=_SCHEMA_REF)
    # Defaults come as values of the types: through JSON, tuples become lists and enums texts.
    plain: Document = msgspec.json.decode(msgspec.json.encode(components))
    return {name: _as_draft_7(schema) for name, schema in plain.items()}


def _as_draft_7(schema: Any) -> Any:
    """AsyncAPI's schemas are JSON Schema draft 7, which spells arrays of fixed length in another way than msgspec."""
    if isinstance(schema, list):
        return [_as_draft_7(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _as_draft_7(value) for key, value in schema.items()}
    if "prefixItems" in plain:
        plain["items"] = plain.pop("prefixItems")  # `maxItems` stands beside it and forbids more
    return plain
