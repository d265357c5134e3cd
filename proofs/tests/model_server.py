"""A model's server on this machine: speaks the protocol, and looks hard at every body it gets.

It accepts chat completions with structured output only. What breaks the protocol, or holds one of
the canaries, is noted in `problems` and fails the test at its end.
"""

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from PIL import Image

API_KEY = "sk-test-of-this-machine"
MODEL = "model-of-the-tests"
FIELDS = {"risk_level", "score", "flags", "explanation"}


def advice(
    level: str = "clean", score: float = 0.9, flags: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    """What a model answers."""
    said = {"risk_level": level, "score": score, "flags": list(flags), "explanation": "I looked."}
    return said | more


@dataclass(frozen=True)
class Scripted:
    """One answer: the content, or a status, or raw bytes; after a pause."""

    content: Any = None
    status: int = 200
    raw: bytes | None = None
    after_s: float = 0.0
    hangs_up: bool = False


@dataclass
class ModelServer:
    """How it answers, and what it got."""

    url: str = ""
    answer: Callable[[Mapping[str, Any]], Scripted] = lambda _body: Scripted(advice())
    canaries: tuple[str, ...] = ()
    bodies: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def say(self, *answers: Scripted | dict[str, Any]) -> None:
        """Give these answers in turn, the last of them for ever."""
        left = [item if isinstance(item, Scripted) else Scripted(item) for item in answers]
        self.answer = lambda _body: left.pop(0) if len(left) > 1 else left[0]

    @property
    def texts(self) -> list[str]:
        """The texts that the model read, one of each request."""
        return [text_of(body) for body in self.bodies]


def text_of(body: Mapping[str, Any]) -> str:
    """All text of one request but the picture."""
    system, user = body["messages"]
    parts = [part["text"] for part in user["content"] if part["type"] == "text"]
    return "\n".join([system["content"], *parts])


def pictures_of(body: Mapping[str, Any]) -> list[bytes]:
    """The pictures of one request."""
    parts = body["messages"][1]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [base64.b64decode(url.partition(",")[2]) for url in urls]


class _Handler(BaseHTTPRequestHandler):
    server_state: ClassVar[ModelServer]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        state = self.server_state
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(raw)
        state.bodies.append(body)
        state.problems += _broken(self.path, self.headers["Authorization"], body)
        state.problems += [f"a canary left: {item}" for item in state.canaries if _holds(raw, item)]
        script = state.answer(body)
        time.sleep(script.after_s)
        if script.hangs_up:
            self.close_connection = True
            return
        self._reply(script)

    def _reply(self, script: Scripted) -> None:
        content = script.content
        text = content if isinstance(content, str) else json.dumps(content)
        whole = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
        if script.status != 200:
            whole = {"error": {"message": "no", "type": "x", "code": "x"}}
        sent = script.raw if script.raw is not None else json.dumps(whole).encode()
        self.send_response(script.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _holds(raw: bytes, canary: str) -> bool:
    """Whether a body holds a value, also spelled with other spaces, cases and escapes."""
    plain = _plain(json.dumps(json.loads(raw), ensure_ascii=False))
    return _plain(canary) in plain


def _plain(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum() or sign == "@")


def _broken(path: str, authorization: str, body: Mapping[str, Any]) -> Iterator[str]:
    """What of a request is not as the protocol and our own rules want it."""
    wanted = body.get("response_format", {})
    schema = wanted.get("json_schema", {})
    checks = {
        "the path": path == "/v1/chat/completions",
        "the key": authorization == f"Bearer {API_KEY}",
        "the model": body.get("model") == MODEL,
        "structured output": wanted.get("type") == "json_schema" and schema.get("strict") is True,
        "the schema": set(schema.get("schema", {}).get("required", [])) == FIELDS,
        "no tools": not {"tools", "functions", "stream"} & body.keys(),
        "a limit": isinstance(body.get("max_completion_tokens"), int),
        "two messages": [item["role"] for item in body["messages"]] == ["system", "user"],
        "no address of a file": "kobatela://" not in text_of(body),
    }
    yield from (f"not as it must be: {name}" for name, is_right in checks.items() if not is_right)
    for picture in pictures_of(body):
        with Image.open(io.BytesIO(picture)) as image:
            if image.format != "JPEG" or dict(image.getexif()) or "xmp" in image.info:
                yield "a picture with metadata"


@contextmanager
def running(*, canaries: tuple[str, ...] = ()) -> Iterator[ModelServer]:
    """A server for the time of the block; at its end nothing may have been wrong."""
    state = ModelServer(canaries=canaries)
    handler = type("Handler", (_Handler,), {"server_state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert state.problems == []
