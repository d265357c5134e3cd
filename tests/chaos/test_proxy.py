"""The faulty line breaks each connection in the way that it says, and no other."""

import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from kobatela.embedded.ports import free_port
from tests.chaos.proxy import Fault, FaultyProxy

ANSWER = b"x" * 500


class Line:
    """A server behind a proxy, and what it has heard."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        heard = self.heard

        class Server(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", str(len(ANSWER)))
                self.end_headers()
                self.wfile.write(ANSWER)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._port = free_port()
        chance = random.Random(1)  # noqa: S311 - which fault comes is no secret
        self.proxy = FaultyProxy(self._port, self._server.server_port, chance)

    def ask(self, fault: Fault) -> httpx.Response:
        """One request over a connection with this fault."""
        self.proxy.weights = {fault: 1.0}
        return httpx.post(f"http://127.0.0.1:{self._port}/", content=b"pay", timeout=2)

    def close(self) -> None:
        """Stop both."""
        self.proxy.close()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.DELAY])
def test_what_gets_through_is_whole(line: Line, fault: Fault) -> None:
    assert line.ask(fault).content == ANSWER
    assert line.heard == [b"pay"]
    assert line.proxy.seen == {fault: 1}


# Whose request meets the reset while it is being written reads the end afterwards, not the reset.
_BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError)


@pytest.mark.parametrize(("fault", "error"), [
    (Fault.RESET, _BROKEN),
    (Fault.BLACKHOLE, httpx.TimeoutException),
])  # fmt: skip
def test_what_breaks_before_is_not_heard(
    line: Line, fault: Fault, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    with pytest.raises(error):
        line.ask(fault)
    assert line.heard == []


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.HALF_CLOSE])
def test_what_breaks_after_was_heard_and_not_answered(line: Line, fault: Fault) -> None:
    with pytest.raises(httpx.TransportError):
        line.ask(fault)
    assert line.heard == [b"pay"]


def test_without_weather_everything_gets_through(line: Line) -> None:
    line.proxy.weights = {}
    assert [line.ask(Fault.NONE).status_code for _ in range(5)] == [200] * 5
