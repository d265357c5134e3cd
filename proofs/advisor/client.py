"""Asking the model: the one place that knows its library and its protocol."""

import json
import logging
import ssl
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import httpx2
import openai
from openai import OpenAI

from proofs.advisor.answer import WIRE_SCHEMA, InvalidAnswer, parse_answer
from proofs.advisor.breaker import Outcome
from proofs.advisor.egress import EgressRefused, check_body
from proofs.advisor.known import KnownValues
from proofs.advisor.prompt import Prompt
from proofs.advisor.reply import CONNECT_TIMEOUT_S, RETRY_AFTER_S, Missing, Reply, Server

logger = logging.getLogger(__name__)

MAX_TOKENS = 2_000
# What passes by itself; anything else is not tried again.
_TRANSIENT = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)
# What no other proof would fare better with: the key, the address, the model's name.
_MISCONFIGURED = (
    openai.AuthenticationError,
    openai.PermissionDeniedError,
    openai.NotFoundError,
)


def ask_model(
    prompt: Prompt,
    *,
    server: Server,
    known: KnownValues,
    sleep: Callable[[float], None] = time.sleep,
) -> Reply:
    """Ask for advice, three times at most. Whatever the server does, this gives a Reply.

    Every request passes the last filter on its way out, with what `known` holds.
    """
    started = time.monotonic()
    transport = _GuardedTransport(known)
    with httpx2.Client(
        transport=transport,
        timeout=httpx2.Timeout(server.timeout_s, connect=CONNECT_TIMEOUT_S),
        # What is sent is meant for one server only.
        follow_redirects=False,
    ) as http:
        # Tries are counted and paused here, so the library makes one each time.
        client = OpenAI(
            api_key=server.api_key, base_url=server.base_url, http_client=http, max_retries=0
        )
        reply = _first_answer(client, prompt, server, sleep)
    latency_ms = int((time.monotonic() - started) * 1000)
    return Reply(**(reply | {"attempts": transport.sent, "latency_ms": latency_ms}))


def _first_answer(
    client: OpenAI, prompt: Prompt, server: Server, sleep: Callable[[float], None]
) -> dict[str, Any]:
    for pause_s in (*RETRY_AFTER_S, None):
        try:
            return _read(_call(client, prompt, server))
        except _StoppedAtTheDoor as stopped:
            logger.warning("Advice was not asked for: %s", stopped.refused)
            return {"missing": Missing.EGRESS_REFUSED, "outcome": Outcome.NOT_MADE}
        except openai.APIError as error:
            logger.warning("The model was asked in vain: %s", type(error).__name__)
            if isinstance(error, _TRANSIENT) and pause_s is not None:
                sleep(pause_s)
                continue
            return _failure(error)
    raise AssertionError("the last try always returns")


def _call(client: OpenAI, prompt: Prompt, server: Server) -> bytes:
    # The library's types for messages are unions without end; what is sent is checked in tests.
    completions: Any = client.chat.completions.with_raw_response
    response = completions.create(
        model=server.model,
        messages=list(prompt.messages),
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "advice", "strict": True, "schema": WIRE_SCHEMA},
        },
        max_completion_tokens=MAX_TOKENS,
    )
    body: bytes = response.content
    return body


def _failure(error: openai.APIError) -> dict[str, Any]:
    if isinstance(error, openai.APITimeoutError):
        missing = Missing.TIMEOUT
    elif isinstance(error, openai.APIConnectionError):
        missing = Missing.UNREACHABLE
    elif isinstance(error, openai.RateLimitError | openai.InternalServerError):
        missing = Missing.OVERLOADED
    elif isinstance(error, _MISCONFIGURED):
        missing = Missing.MISCONFIGURED
    else:
        # The server works; what it refuses is this one proof.
        return {"missing": Missing.CALL_REFUSED, "outcome": Outcome.ANSWERED}
    return {"missing": missing, "outcome": Outcome.FAILED}


def _read(body: bytes) -> dict[str, Any]:
    """Take advice and tokens from an answer; the library's own reading would check nothing."""
    usage: dict[str, int] = {}
    try:
        whole = json.loads(body)
        usage = _usage(whole)
        advice = parse_answer(_content(whole))
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, InvalidAnswer) else type(error).__name__
        logger.warning("What the model answered is no advice: %s", reason)
        return {"missing": Missing.ANSWER_INVALID, "outcome": Outcome.ANSWERED} | usage
    return {"advice": advice, "outcome": Outcome.ANSWERED} | usage


def _content(whole: Any) -> str:
    try:
        content = whole["choices"][0]["message"]["content"]
    except (LookupError, TypeError) as error:
        raise InvalidAnswer("it has no content") from error
    if not isinstance(content, str):
        raise InvalidAnswer("its content is no text")
    return content


def _usage(whole: Any) -> dict[str, int]:
    usage = whole.get("usage") if isinstance(whole, dict) else None
    found = {}
    for name in ("prompt_tokens", "completion_tokens"):
        count = usage.get(name) if isinstance(usage, dict) else None
        if type(count) is int and 0 <= count < 2**31:
            found[name] = count
    return found


class _StoppedAtTheDoor(openai.OpenAIError):
    """Carries the filter's refusal through the library, which hands its own errors on as they
    are."""

    def __init__(self, refused: EgressRefused) -> None:
        super().__init__(str(refused))
        self.refused = refused


class _GuardedTransport(httpx2.BaseTransport):
    """The way out. There is no other, so nothing that the library does goes past the filter."""

    def __init__(self, known: KnownValues) -> None:
        self._known = known
        self._inner = httpx2.HTTPTransport(verify=_certificates(), trust_env=False)
        self.sent = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request that may leave."""
        try:
            check_body(request.read(), self._known)
        except EgressRefused as refused:
            raise _StoppedAtTheDoor(refused) from refused
        self.sent += 1
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()
