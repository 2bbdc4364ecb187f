"""The OpenAPI document: valid by its own standard, made from the declarations, and true to the types."""

import re
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from emdr_stream.generated import renewed
from emdr_stream.rest.openapi import openapi_document, query_fields
from emdr_stream.rest.operation import PATH_TYPES, Operation
from emdr_stream.rest.operations import OPERATIONS
from emdr_stream.rest.problems import MEANINGS
from emdr_stream.rest.tables import blocks
from emdr_stream.telemetry.metrics import REST_GROUPS

DOCUMENT = openapi_document("1.2.3", OPERATIONS)


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_names_and_routes_are_declared_once() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_says_everything_of_itself(operation: Operation) -> None:
    assert operation.group in REST_GROUPS
    assert operation.roles and operation.summary.endswith(".")
    assert set(operation.path_names) <= set(PATH_TYPES)
    told = DOCUMENT["paths"][operation.path][operation.method.lower()]
    assert told["operationId"] == operation.name
    named = {(part["in"], part["name"]) for part in told["parameters"] if part["in"] != "header"}
    queries = {("query", field.encode_name) for field in query_fields(operation)}
    assert named == queries | {("path", name) for name in operation.path_names}
    statuses = {int(status) for status in told["responses"]}
    assert statuses >= {MEANINGS[code].status for code in operation.all_problems} | {200}


def test_the_page_has_the_declarations_as_they_are(repository: Path) -> None:
    page = (repository / "docs" / "rest.md").read_text()
    assert page == renewed(page, blocks()), "run: python -m emdr_stream.rest.tables docs/rest.md"
    assert len(re.findall(r"<!-- begin ", page)) == 2
