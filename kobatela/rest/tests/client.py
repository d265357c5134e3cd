"""A client of the API for tests."""

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.test import Client
from django.utils.datastructures import CaseInsensitiveMapping


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return jsonlib.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the error; fails on an answer that is none."""
        return str(self.json["error"]["code"])


class Api:
    """Calls the API with one key, or with none.

    json: sent as JSON; data: sent as it is with `content_type`; files: a multipart form
    together with `fields`.
    """

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.client = Client(raise_request_exception=False)

    def get(self, path: str, **options: Any) -> Answer:
        """GET `path`."""
        return self.send("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        """POST to `path`."""
        return self.send("POST", path, **options)

    def patch(self, path: str, **options: Any) -> Answer:
        """PATCH `path`."""
        return self.send("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        """DELETE `path`."""
        return self.send("DELETE", path, **options)

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        content_type: str = "application/json",
        files: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request."""
        sent = dict(headers or {})
        if self.key is not None:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        if idempotency_key is not None:
            sent["Idempotency-Key"] = idempotency_key
        if files is not None:
            response = self.client.post(path, {**(fields or {}), **files}, headers=sent)
        else:
            body = jsonlib.dumps(json).encode() if json is not None else data or b""
            response = self.client.generic(
                method, path, body, content_type=content_type, headers=sent
            )
        content = response.getvalue()
        return Answer(response.status_code, content, CaseInsensitiveMapping(response.items()))
