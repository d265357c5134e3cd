"""The description of the API in OpenAPI 3.1."""

from drf_spectacular.openapi import AutoSchema


class KobatelaSchema(AutoSchema):
    """How an endpoint of ours is described."""
