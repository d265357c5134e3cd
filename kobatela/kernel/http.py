"""The one way out over HTTP: time limits always set, redirects never followed."""

import ssl
from functools import lru_cache

import httpx

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0


def client(base_url: str = "", *, read_timeout_s: float = READ_TIMEOUT_S) -> httpx.Client:
    """A client whose every call ends: after 5 s to connect, `read_timeout_s` to answer."""
    timeout = httpx.Timeout(read_timeout_s, connect=CONNECT_TIMEOUT_S)
    return httpx.Client(
        base_url=base_url, timeout=timeout, follow_redirects=False, verify=_certificates()
    )


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    # Reading them takes longer than a call to a PSP nearby.
    return httpx.create_ssl_context()
