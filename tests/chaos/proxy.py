"""A TCP proxy that fails as networks do; it stands between Kobatela and its PSP."""

import random
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum

_CHUNK_BYTES = 65_536
_IDLE_S = 30.0
# Enough of an answer to begin with, not enough to be one.
_HALF_ANSWER_BYTES = 40


class Fault(StrEnum):
    """What happens to one connection.

    DELAY: it gets through late. RESET: it breaks before anything is said. BLACKHOLE: nobody ever
    answers, and nobody has heard. CUT: the request arrives, and the connection breaks instead of
    the answer. HALF_CLOSE: the answer ends in its middle.
    """

    NONE = "none"
    DELAY = "delay"
    RESET = "reset"
    BLACKHOLE = "blackhole"
    CUT = "cut"
    HALF_CLOSE = "half_close"


class FaultyProxy:
    """Forwards connections on `port` to `target_port`, each with a fault drawn by the weights.

    weights: how often each fault comes; with none, everything gets through. seen counts the faults.
    """

    def __init__(self, port: int, target_port: int, chance: random.Random) -> None:
        self.weights: Mapping[Fault, float] = {}
        self.seen: Counter[Fault] = Counter()
        self._target_port = target_port
        self._chance = chance
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        # Closing alone does not wake up who waits in accept.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            fault = self._draw()
            self.seen[fault] += 1
            threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _draw(self) -> Fault:
        weights = self.weights
        if not weights:
            return Fault.NONE
        return self._chance.choices(list(weights), weights=list(weights.values()))[0]

    def _serve(self, client: socket.socket, fault: Fault) -> None:
        with client, suppress(OSError):
            if fault is Fault.RESET:
                _reset(client)
                return
            if fault is Fault.BLACKHOLE:
                _swallow(client)
                return
            if fault is Fault.DELAY:
                time.sleep(self._chance.uniform(0.05, 0.8))
            with socket.create_connection(("127.0.0.1", self._target_port)) as server:
                _forward(client, server, fault)


def _forward(client: socket.socket, server: socket.socket, fault: Fault) -> None:
    while True:
        ready, _, _ = select.select([client, server], [], [], _IDLE_S)
        for one in ready or [client, server]:
            data = one.recv(_CHUNK_BYTES) if ready else b""
            if not data:
                return
            if one is client:
                server.sendall(data)
            elif fault is Fault.CUT:
                # The PSP has answered, so it has done what it was asked for.
                _reset(client)
                return
            elif fault is Fault.HALF_CLOSE:
                client.sendall(data[:_HALF_ANSWER_BYTES])
                client.shutdown(socket.SHUT_WR)
                return
            else:
                client.sendall(data)


def _reset(client: socket.socket) -> None:
    # Lingering for no time makes the close an RST.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def _swallow(client: socket.socket) -> None:
    client.settimeout(_IDLE_S)
    while client.recv(_CHUNK_BYTES):
        pass
