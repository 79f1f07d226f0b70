"""The OpenAPI documents: everything that is served is in them, and random requests made from them find no fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.hosting.apis import DEPLOYMENT_ROUTES
from core.hosting.openapi_schemas import schema
from core.interface import Array, Category, DataType, ImageLandmarks, Number, Text, Vector
from tests.core.hosting.serving import STUDIO, gateway
from tests.fuzz import fuzz


async def test_every_address_is_in_the_document(home: Path) -> None:
    async with gateway(home, {"faces": {}, "open": {"private": False}}) as stage:
        document: Any = (await stage.ask("/faces/openapi.json", stage.tokens["faces"])).json()
        assert document["openapi"] == "3.1.0"
        routes = [route for route in DEPLOYMENT_ROUTES if not route.path.startswith(("/v1/models", "/v1/completions"))]
        served = {(route.path, route.method.lower()) for route in routes}
        assert {(path, method) for path, item in document["paths"].items() for method in item} == served
        for route in routes:
            operation = document["paths"][route.path][route.method.lower()]
            assert (operation.get("security") == []) is route.open, route.path
            assert {"400", "401", "404", "503"} <= operation["responses"].keys()
        body = document["paths"]["/v1/query"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body["required"] == ["z"]
        assert body["properties"]["truncation"]["maximum"] == 1
        assert document["security"] == [{"token": []}]
        assert (await stage.ask("/open/openapi.json")).json()["security"] == []
        general: Any = (await stage.ask("/openapi.json", STUDIO)).json()
        assert set(general["paths"]) >= {"/livez", "/readyz", "/metrics", "/openapi.json"}


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (Number(min=0, max=9, step=1), {"type": "integer", "minimum": 0, "maximum": 9, "default": 0}),
        (Number(default=2), {"type": "number", "minimum": -(2.0**63), "maximum": 2.0**63, "default": 2}),
        (Number(min=0, max=8, step=2), {"type": "integer", "minimum": 0, "maximum": 8, "multipleOf": 2, "default": 0}),
        (Number(min=1, max=8, step=2), {"type": "integer", "minimum": 1, "maximum": 8, "default": 1}),
        (Text(min_length=1), {"type": "string", "minLength": 1, "maxLength": 1_000_000}),
        (Category(choices=["a", "b"]), {"type": "string", "enum": ["a", "b"], "default": "a"}),
    ],
)
def test_schemas(kind: DataType, wanted: dict[str, object]) -> None:
    found = schema(kind)
    found.pop("description")
    assert found == wanted


def test_schemas_of_lists() -> None:
    assert schema(Vector(7))["minItems"] == 7
    assert schema(Array(Text(), max_length=3))["maxItems"] == 3
    assert schema(ImageLandmarks(2))["items"]["maxItems"] == 2  # type: ignore[index]
    assert "default" not in schema(Number(default=1), given=True)


@pytest.mark.slow
async def test_random_requests_find_no_fault(home: Path, tmp_path: Path) -> None:
    result = await fuzz(tmp_path, 300, ("all", "faces"))
    assert result.failures == []
    assert result.deaths == 0
    assert result.requests >= 300
    assert not any(status.startswith("5") for status in result.statuses)
    assert result.statuses["200"] > 20
