"""Operations in, the OpenAPI 3.1 document of the REST API out; served at `/v1/openapi.json`, without a token."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import inspect

from emdr_stream.rest.idempotency import LONGEST_KEY
from emdr_stream.rest.operation import JSON, PATH_TYPES, Operation
from emdr_stream.rest.problems import MEANINGS, MEDIA, ProblemCode, ProblemDetails

OPENAPI_VERSION: Final = "3.1.0"
_REF: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {"schema": {"$ref": _REF.format(name=ProblemDetails.__name__)}}
_GROUPS: Final = {
    "emotion": "What a face and its owner's signals say: estimates and forecasts.",
    "personalization": "What suits a client: profiles, proposals, and changes of a live session.",
    "safety": "Risk, alerts, thresholds and interventions.",
    "analytics": "Figures over sessions, clients and the service.",
    "sessions": "What is and was of sessions.",
    "users": "What is kept of a person: to be had, and to be erased.",
}

Document = dict[str, Any]


def openapi_document(version: str, operations: Sequence[Operation]) -> Document:
    """The document for this version of the package: plain JSON values, built anew each time."""
    paths: dict[str, Document] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    groups = sorted({operation.group for operation in operations})
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "emdr_stream",
            "version": version,
            "summary": "REST API of a real-time service behind EMDR therapy software.",
            "description": "For the product's back end and its therapists' tools; live sessions have the sockets of "
            "/v1/asyncapi.json. What is estimated comes from models that were trained on simulated persons.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": group, "description": _GROUPS[group]} for group in groups],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The same tokens as on the sockets: `sub`, `role`, `clients`.",
                }
            },
        },
        "security": [{"token": []}],
    }


def query_fields(operation: Operation) -> tuple[inspect.Field, ...]:
    """The query parameters, in order."""
    info = inspect.type_info(operation.query)
    return info.fields  # type: ignore[attr-defined,no-any-return]


def _operation(operation: Operation) -> Document:
    told: Document = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.summary,
        "description": f"For {' and '.join(sorted(operation.roles))}.",
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        schema = {"type": "string"} if operation.body is bytes else _schema_of(operation.body)
        told["requestBody"] = {"required": True, "content": {operation.takes: {"schema": schema}}}
    return told


def _path_parameters(operation: Operation) -> list[Document]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _plain(msgspec.json.schema(PATH_TYPES[name]))}
        for name in operation.path_names
    ]


def _query_parameters(operation: Operation) -> list[Document]:
    (reference,), components = msgspec.json.schema_components([operation.query], ref_template=_REF)
    properties = components[reference["$ref"].rpartition("/")[2]]["properties"]
    return [
        {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "schema": _plain(_without_null(properties[field.encode_name])),
        }
        for field in query_fields(operation)
    ]


def _without_null(schema: Document) -> Document:
    """A query parameter that is not there is left out: nobody can write null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if not choices:
        return schema
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    return {**choices[0], **rest} if len(choices) == 1 else {"anyOf": choices, **rest}


def _header_parameters(operation: Operation) -> list[Document]:
    found: list[Document] = []
    if operation.acts:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same key with the same request has the same answer, for a day, and acts once.",
                "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"},
            }
        )
    if _has_tag(operation):
        found.append(
            {
                "name": "If-None-Match",
                "in": "header",
                "required": False,
                "description": "`ETag` of an earlier answer: 304 while it still holds.",
                "schema": {"type": "string"},
            }
        )
    return found


def _has_tag(operation: Operation) -> bool:
    return operation.method == "GET" and operation.media == (JSON,)


def _responses(operation: Operation) -> Document:
    streamed = {"description": operation.answers_with, "schema": {"type": "string"}}
    content = {media: (_content(operation) if media == JSON else {"schema": streamed}) for media in operation.media}
    answer: Document = {"description": "Done.", "content": content}
    if _has_tag(operation):
        answer["headers"] = {"ETag": {"description": "Changes with the answer.", "schema": {"type": "string"}}}
    told: Document = {"200": answer}
    if _has_tag(operation):
        told["304"] = {"description": "The answer named in `If-None-Match` still holds."}
    for status in sorted({MEANINGS[code].status for code in operation.all_problems}):
        codes = [code for code in ProblemCode if code in operation.all_problems and MEANINGS[code].status == status]
        words = "; ".join(f"`{code}`: {MEANINGS[code].title}" for code in codes)
        told[str(status)] = {"description": f"{words}.", "content": {MEDIA: _PROBLEM}}
        if any(MEANINGS[code].retry_after_s for code in codes):
            told[str(status)]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return told


def _content(operation: Operation) -> Document:
    return {"schema": _schema_of(operation.answer)}


def _schema_of(kind: Any) -> Document:
    (reference,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    plain: Document = _plain(reference)
    return plain


def _schemas(operations: Sequence[Operation]) -> Document:
    types = [ProblemDetails]
    for operation in operations:
        types += [kind for kind in (operation.body, operation.answer) if kind not in {None, bytes}]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    plain: Document = _plain(components)
    return dict(sorted(plain.items()))


def _plain(value: Any) -> Any:
    """Defaults come as values of the types: through JSON, tuples become lists and enums texts."""
    return msgspec.json.decode(msgspec.json.encode(value))
