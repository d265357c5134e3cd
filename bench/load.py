"""Many clients in one cheap process: keep-alive sockets and requests that are made beforehand.

The machine has two cores, so what the clients use is taken from what is measured. A client
here costs some tens of microseconds a request; `Load.client_cpu_share` says how much it was.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_READ_LIMIT = 1 << 20


@dataclass
class Load:
    """How one run went."""

    seconds: float
    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    client_cpu_s: float = 0.0
    first_refusal: str = ""

    @property
    def per_second(self) -> float:
        """Requests answered 2xx in a second."""
        return sum(n for status, n in self.statuses.items() if 200 <= status < 300) / self.seconds

    @property
    def client_cpu_share(self) -> float:
        """What the clients used of one core."""
        return self.client_cpu_s / self.seconds


NextRequest = Callable[[int], bytes]


def http_request(
    method: str, path: str, *, host: str, headers: dict[str, str], body: bytes
) -> bytes:
    """The bytes of one request on a connection that is kept."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def drive(host: str, port: int, *, clients: int, seconds: float, next_request: NextRequest) -> Load:
    """Keep `clients` connections busy for `seconds`; `next_request(client)` makes the bytes."""
    return asyncio.run(_drive(host, port, clients, seconds, next_request))


async def _drive(
    host: str, port: int, clients: int, seconds: float, next_request: NextRequest
) -> Load:
    connections = [
        await asyncio.open_connection(host, port, limit=_READ_LIMIT) for _ in range(clients)
    ]
    load = Load(seconds=seconds)
    cpu_before, started_at = time.process_time(), time.perf_counter()
    stop_at = started_at + seconds
    await asyncio.gather(
        *(
            _client(number, reader, writer, stop_at, next_request, load)
            for number, (reader, writer) in enumerate(connections)
        )
    )
    load.seconds = time.perf_counter() - started_at
    load.client_cpu_s = time.process_time() - cpu_before
    for _, writer in connections:
        writer.close()
    return load


async def _client(
    number: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    stop_at: float,
    next_request: NextRequest,
    load: Load,
) -> None:
    while time.perf_counter() < stop_at:
        sent_at = time.perf_counter()
        writer.write(next_request(number))
        status, body = await read_response(reader)
        load.latencies_s.append(time.perf_counter() - sent_at)
        load.statuses[status] = load.statuses.get(status, 0) + 1
        if status >= 300 and not load.first_refusal:
            load.first_refusal = f"{status} {body[:500].decode(errors='replace')}"


async def read_response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next response, which must tell its length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lowered = head.lower()
    at = lowered.index(b"content-length:") + len(b"content-length:")
    length = int(lowered[at : lowered.index(b"\r\n", at)])
    body = await reader.readexactly(length) if length else b""
    return int(head[9:12]), body
