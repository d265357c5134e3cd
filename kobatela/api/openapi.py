"""The description of the API in OpenAPI 3.1: what every endpoint shares is added here."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentIdentity, ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from kobatela.kernel.errors import published_codes
from kobatela.rest.idempotency import Idempotency
from kobatela.rest.scopes import SAFE_METHODS
from kobatela.rest.viewsets import KobatelaViewSet

_Schema = dict[str, Any]
_ERRORS: Mapping[str, str] = {
    "400": "The request cannot be understood.",
    "401": "There is no valid key.",
    "403": "The key may not do this.",
    "404": "There is no such object, or none for this caller.",
    "409": "The state of things does not allow this, or not now.",
    "413": "The body is too large.",
    "415": "The content type is not one that is read here.",
    "422": "The request is well-formed but not valid, or refused for what it asks.",
    "429": "Too many requests; see Retry-After.",
    "503": "Something that this needs is not configured or does not answer.",
}
_OF_COMMANDS_ONLY = frozenset({"400", "409", "413", "415"})


class KobatelaSchema(AutoSchema):
    """How an endpoint of ours is described."""

    view: KobatelaViewSet  # type: ignore[override]  # no other kind of view is described

    def get_operation_id(self) -> str:
        """Method and path: unique, and the same for as long as the path is."""
        words = [word.strip("{}").replace("-", "_") for word in self.path.split("/") if word]
        return "_".join([self.method.lower(), *words]).replace(".", "_")

    def get_tags(self) -> list[str]:
        """The first word of the path."""
        return [self.path.strip("/").split("/")[0]]

    def get_auth(self) -> list[_Schema]:
        """Both headers, or nothing where no key is needed."""
        return [] if self._is_public() else super().get_auth()

    def get_override_parameters(self) -> list[Any]:
        """The headers and parameters that the base view reads."""
        found = [*super().get_override_parameters()]
        if self.method in SAFE_METHODS or self._is_public():
            return found
        mode = self.view.idempotency.get(self.view.action, Idempotency.OPTIONAL)
        if mode is not Idempotency.NONE:
            found.append(_idempotency_key(required=mode is Idempotency.REQUIRED))
        if self.view.action in self.view.simulatable:
            found.append(_SIMULATE)
        return [*found, _ON_BEHALF_OF]

    def get_serializer_identity(self, serializer: Any, direction: Any) -> Any:
        """Two serializers of one name with the same fields are one component."""
        fields = getattr(serializer, "fields", None)
        if not isinstance(fields, Mapping):
            return super().get_serializer_identity(serializer, direction)
        shape = [(name, type(field).__name__) for name, field in fields.items()]
        name = type(serializer).__name__
        return ComponentIdentity((name, tuple(shape)))  # type: ignore[no-untyped-call]  # half typed

    def _is_public(self) -> bool:
        return self.view.action in getattr(self.view, "public", ())

    def _get_pagination_parameters(self) -> list[_Schema]:
        return _PAGE_PARAMETERS if self._is_list_view() else []

    def _get_paginator(self) -> "_Pages":
        return _Pages()

    def get_paginated_name(self, serializer_name: str) -> str:
        """The name of a page in the schema."""
        return f"{serializer_name}Page"

    def _get_response_bodies(self, direction: Any = "response") -> _Schema:
        found: _Schema = super()._get_response_bodies(direction)
        error = self._error_component().ref
        for status, words in _ERRORS.items():
            if status not in found and self._may_answer(status):
                content = {"application/json": {"schema": error}}
                found[status] = {"description": words, "content": content}
        return found

    def _may_answer(self, status: str) -> bool:
        if status in _OF_COMMANDS_ONLY:
            return self.method not in SAFE_METHODS
        if status in {"401", "403"}:
            return not self._is_public()
        return status != "404" or "{" in self.path or self.method not in SAFE_METHODS

    def _error_component(self) -> ResolvedComponent:
        codes = published_codes()
        self._register(
            "ErrorCode",
            {"type": "string", "enum": list(codes), "x-enum-descriptions": list(codes.values())},
        )
        return self._register("Error", _ERROR_SCHEMA)

    def _register(self, name: str, schema: _Schema) -> ResolvedComponent:
        component = ResolvedComponent(  # type: ignore[no-untyped-call]  # half typed
            name=name, type=ResolvedComponent.SCHEMA, schema=schema, object=name
        )
        self.registry.register_on_missing(component)
        return component


class _Pages:
    """How a page looks."""

    def get_paginated_response_schema(self, schema: _Schema) -> _Schema:
        return {
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": schema,
                "next": {
                    "type": ["string", "null"],
                    "description": "The `cursor` of the next page; null on the last one.",
                },
            },
        }


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # half typed
    """The two headers that a key may come in."""

    target_class = "kobatela.accounts.authentication.ApiKeyAuthentication"
    name = ["bearer", "apiKey"]

    def get_security_definition(self, auto_schema: AutoSchema) -> Any:
        """Both, in the order of their names."""
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "koba_…"},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        ]


class _FieldExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # half typed
    schema: _Schema

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> _Schema:
        return dict(self.schema)


class MoneyInExtension(_FieldExtension):  # type: ignore[no-untyped-call]  # half typed
    """An amount in a request."""

    target_class = "kobatela.rest.fields.MoneyField"
    schema = {
        "oneOf": [{"type": "string", "pattern": r"^-?\d{1,20}(\.\d{1,10})?$"}, {"type": "number"}],
        "description": "A decimal number with at most the digits of its currency.",
        "examples": ["100.00"],
    }


class MoneyOutExtension(_FieldExtension):  # type: ignore[no-untyped-call]  # half typed
    """An amount in an answer."""

    target_class = "kobatela.rest.fields.MoneyOut"
    schema = {
        "type": "string",
        "description": "A decimal number with exactly the digits of its currency.",
        "examples": ["100.00"],
    }


class JSONObjectExtension(_FieldExtension):  # type: ignore[no-untyped-call]  # half typed
    """A free-form object."""

    target_class = "kobatela.rest.fields.JSONObjectField"
    schema = {"type": "object", "additionalProperties": True}


def _idempotency_key(*, required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=required,
        pattern=r'^"?[A-Za-z0-9_\-:.]{1,255}"?$',
        description="The same key with the same request gets the first answer again, for 30 days.",
    )


_ON_BEHALF_OF = OpenApiParameter(
    "X-On-Behalf-Of",
    OpenApiTypes.INT64,
    OpenApiParameter.HEADER,
    description="Admin keys: the id of the user whose own command this is.",
)
_SIMULATE = OpenApiParameter(
    "simulate",
    OpenApiTypes.BOOL,
    OpenApiParameter.QUERY,
    description=(
        "Tells what the command would do and does nothing: 200 with"
        " `{simulated, allowed, refusal, postings, states}`, and `approvals` `{given, needed}`"
        " where it would wait for a second person."
    ),
)
_PAGE_PARAMETERS: list[_Schema] = [
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "description": "How many items at most.",
    },
    {
        "name": "cursor",
        "in": "query",
        "schema": {"type": "string"},
        "description": "`next` of the page before.",
    },
]
_ERROR_SCHEMA: _Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "request_id"],
            "properties": {
                "code": {"$ref": "#/components/schemas/ErrorCode"},
                "message": {"type": "string"},
                "details": {"type": "object", "additionalProperties": True},
                "request_id": {"type": "string"},
            },
        }
    },
}
