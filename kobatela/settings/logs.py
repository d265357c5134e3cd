"""Log lines as JSON, one a line, without secrets."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from kobatela.kernel.context import request_id

# API keys, bearer tokens, and passwords inside URLs.
_SECRETS = re.compile(
    r"koba_(?:live|test)_\w+|(?<=Bearer )\S+|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)", re.IGNORECASE
)
# What a database quotes of a row, e-mail addresses, IBANs, telephone numbers.
_PERSONAL = re.compile(
    r"(?m:(?<=^DETAIL:  ).*$)|[\w.+-]+@[\w-]+\.[\w.-]+"
    r"|\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b|\+[0-9](?:[ .-]?[0-9]){7,14}\b"
)
_EXTRA = ("actor", "subject", "action", "status", "duration_ms", "path", "method")


def _extra_of(record: logging.LogRecord) -> dict[str, Any]:
    said = {name: record.__dict__.get(name) for name in _EXTRA}
    return {name: value for name, value in said.items() if value is not None}


def without_secrets(text: str) -> str:
    """The text with every known shape of a secret or of personal data blotted out."""
    return _PERSONAL.sub("[personal]", _SECRETS.sub("[secret]", text))


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, request id; actor and subject where the caller gives them."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object on one line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            "request_id": request_id() or None,
        }
        line |= _extra_of(record)
        if record.exc_info:
            line["error"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The same for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback if there is one."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        line = f"{at} {record.levelname.lower():<7} {record.name}: {record.getMessage()}"
        line += "".join(f" {name}={value}" for name, value in _extra_of(record).items())
        if request_id():
            line += f" [{request_id()}]"
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return without_secrets(line)
