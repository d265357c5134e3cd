"""The API as one caller uses it: a base address, one key, and the answers."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from scripts.demo.display import Display, StepFailed, expect

_POLL_S = 0.1
_REQUEST_TIMEOUT_S = 30.0

Found = TypeVar("Found")


class Client:
    """Calls the API of `base_url` with `key`; refuses answers that were not expected."""

    def __init__(self, base_url: str, key: str) -> None:
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_REQUEST_TIMEOUT_S,
        )

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The JSON of a read that must answer 200."""
        return self._answer(self._http.get(path, params=query or None), 200)

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        status: int = 201,
        once: bool = False,
    ) -> dict[str, Any]:
        """The JSON of a command that must answer `status`; `once` adds an Idempotency-Key."""
        headers = {"Idempotency-Key": uuid.uuid4().hex} if once else {}
        return self._answer(self._http.post(path, json=body or {}, headers=headers), status)

    def upload(
        self,
        path: str,
        fields: Mapping[str, Any],
        file: tuple[str, bytes, str],
        *,
        status: int = 201,
    ) -> dict[str, Any]:
        """The JSON of a multipart command that must answer `status`."""
        data = {name: str(value) for name, value in fields.items()}
        return self._answer(self._http.post(path, data=data, files={"file": file}), status)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _answer(self, response: httpx.Response, status: int) -> dict[str, Any]:
        request = f"{response.request.method} {response.request.url.path}"
        expect(
            response.status_code == status,
            f"{request} answered {response.status_code}, not {status}: {response.text[:600]}",
        )
        answer = response.json()
        expect(isinstance(answer, dict), f"{request} did not answer a JSON object.")
        return dict(answer)


def wait_for(
    display: Display, what: str, look: Callable[[], Found | None], *, timeout_s: float = 30.0
) -> Found:
    """What `look` finds, as soon as it finds something. Raises StepFailed after `timeout_s`."""
    give_up_at = time.monotonic() + timeout_s
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > give_up_at:
            raise StepFailed(f"Waited {timeout_s:.0f} s in vain: {what}")
        display.waiting(what)
        time.sleep(_POLL_S)
