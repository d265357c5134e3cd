"""The tree of refusals. Each has a code for clients and a kind; HTTP is mapped elsewhere, once."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, NotRequired, TypedDict


class Kind(StrEnum):
    """Why something was refused, in the domain's terms."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED_TYPE = "unsupported_type"
    INVALID = "invalid"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


_codes: dict[str, str] = {}


def published_codes() -> Mapping[str, str]:
    """Every error code of the installation with its default message, made from the code."""
    return dict(sorted(_codes.items()))


class DomainError(Exception):
    """A refusal with a code. Subclasses set `code`, `kind` and a default `message`.

    `passing` marks a refusal that may be gone on the next try (a lock, work in progress):
    its answer is never stored under an idempotency key. `retry_after_s` tells when to try again.
    `named` is what the body named and was refused: for the trail, the answer does not show it.
    """

    code: ClassVar[str]
    kind: ClassVar[Kind]
    message: str = "The request was refused."
    passing: ClassVar[bool] = False
    retry_after_s: int | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" in cls.__dict__:
            _codes.setdefault(cls.code, cls.message)

    def __init__(self, message: str | None = None, **details: Any) -> None:
        if message is not None:
            self.message = message
        super().__init__(self.message)
        self.details: dict[str, Any] = details
        self.named: dict[str, int] = {}


class InvalidState(DomainError):
    """The object's state does not allow this. Nothing was changed."""

    code = "INVALID_STATE"
    kind = Kind.CONFLICT
    message = "The current state does not allow this."


class FieldProblem(TypedDict):
    """One field of a request that is not valid."""

    field: str
    code: str
    message: str
    extra: NotRequired[Mapping[str, Any]]


class ValidationFailed(DomainError):
    """A well-formed request with fields that are not valid; `details.fields` lists them."""

    code = "VALIDATION_ERROR"
    kind = Kind.INVALID
    message = "Some fields are not valid."

    def __init__(self, fields: Sequence[FieldProblem], message: str | None = None) -> None:
        super().__init__(message, fields=[dict(field) for field in fields])

    def within(self, place: str) -> "ValidationFailed":
        """The same, of fields that stand at `place` in the request."""
        return ValidationFailed(
            [{**problem, "field": f"{place}.{problem['field']}"} for problem in self.problems],
            self.message,
        )

    @property
    def problems(self) -> list[FieldProblem]:
        """The fields that are not valid."""
        problems: list[FieldProblem] = self.details["fields"]
        return problems

    @classmethod
    def of(cls, field: str, code: str, message: str) -> "ValidationFailed":
        """The refusal of one field."""
        return cls([{"field": field, "code": code, "message": message}])


class Busy(DomainError):
    """Another transaction holds what this one needs; a retry is expected to work."""

    code = "BUSY"
    kind = Kind.CONFLICT
    message = "Another request is working on this; try again."
    passing = True
    retry_after_s = 1
