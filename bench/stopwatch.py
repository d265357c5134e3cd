"""`python -m bench.stopwatch KEY ESCROW COUNT`: times the parts of a deposit in this process."""

import functools
import io
import json
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

# Everything below has models, or uses what has.
django.setup()

from rest_framework.request import Request  # noqa: E402 - see above

from escrow.services import deadlines, deposits  # noqa: E402 - likewise
from kobatela.rest import idempotency  # noqa: E402 - likewise
from kobatela.rest.viewsets import KobatelaViewSet  # noqa: E402 - likewise
from kobatela.wsgi import application  # noqa: E402 - likewise

_WARM_UP = 50
_BODY = b'{"amount": "1.00"}'


class Stopwatch:
    """Counts seconds by section; what runs inside another section counts for itself only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.statements = 0
        self._stack: list[str] = []
        self._since = 0.0

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Count the block for `name`."""
        self._turn()
        self._stack.append(name)
        try:
            yield
        finally:
            self._turn()
            self._stack.pop()

    def around(self, owner: Any, name: str, section: str) -> None:
        """Count every call of `owner.name` for `section`."""
        plain: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(plain)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.section(section):
                return plain(*args, **kwargs)

        setattr(owner, name, timed)

    def statement(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: Any,
        many: bool,  # noqa: FBT001 - Django's
        context: Any,
    ) -> Any:
        """Count a statement; Django calls this around each of them."""
        self.statements += 1
        with self.section("SQL"):
            return execute(sql, params, many, context)

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._stack:
            self.seconds[self._stack[-1]] += now - self._since
        self._since = now


def main(key: str, escrow_id: int, count: int) -> None:
    """Print milliseconds by section as JSON."""
    watch = Stopwatch()
    for _ in range(_WARM_UP):
        _deposit(application, key, escrow_id)
    _put_stopwatches(watch)
    for _ in range(count):
        with watch.section("Django and DRF around it"):
            _deposit(application, key, escrow_id)
    sections = {name: seconds / count * 1000 for name, seconds in watch.seconds.items()}
    print(json.dumps({"sections_ms": sections, "queries": watch.statements / count}))


def _put_stopwatches(watch: Stopwatch) -> None:
    for connection in connections.all():
        connection.execute_wrappers.append(watch.statement)
    watch.around(BaseDatabaseWrapper, "_commit", "COMMIT")
    watch.around(BaseDatabaseWrapper, "connect", "connection from the pool")
    watch.around(BaseDatabaseWrapper, "close", "connection from the pool")
    watch.around(KobatelaViewSet, "initial", "key, rate and scope")
    watch.around(Request, "_load_data_and_files", "parsing")
    watch.around(idempotency, "claim_of", "idempotency")
    watch.around(idempotency, "find", "idempotency")
    watch.around(idempotency, "take", "idempotency")
    watch.around(idempotency, "keep", "idempotency")
    watch.around(deadlines, "apply_due", "deadline")
    watch.around(deposits, "report_deposit", "domain")


def _deposit(application: Callable[..., Any], key: str, escrow_id: int) -> None:
    status: list[str] = []

    def start_response(line: str, _headers: Any, _error: Any = None) -> None:
        status.append(line)

    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/escrows/{escrow_id}/deposit",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "HTTP_IDEMPOTENCY_KEY": uuid.uuid4().hex,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(_BODY)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(_BODY),
        "wsgi.errors": sys.stderr,
    }
    response = application(environ, start_response)
    body = b"".join(response)
    response.close()
    if not status[0].startswith("200"):
        raise RuntimeError(f"{status[0]} {body[:500]!r}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
