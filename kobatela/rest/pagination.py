"""Keyset pages: each page costs the same, however deep, and rows with equal values are not lost."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import F, Model, QuerySet
from django.db.models.fields import Field
from django.db.models.fields.tuple_lookups import (
    Tuple,
    TupleGreaterThan,
    TupleLessThan,
)

from kobatela.kernel.errors import ValidationFailed
from kobatela.rest.fields import MAX_BIGINT

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of one page and the cursor of the next; `next` is None on the last page."""

    items: list[Row]
    next: str | None


def keyset_page(
    queryset: QuerySet[Row], *, order_by: str | Sequence[str], limit: str | None, cursor: str | None
) -> Page[Row]:
    """The page of `queryset` after `cursor`.

    order_by: model fields, all ascending or all descending (`-`); the id is added as the last
    one. The fields must not be null. limit and cursor: as the client sent them.
    Raises ValidationFailed for a limit outside 1…100 or a cursor that this list did not make.
    """
    order = _Order.of(queryset.model, order_by)
    size = _size(limit)
    if cursor:
        queryset = order.after(queryset, _decode(cursor, order))
    rows = list(queryset.order_by(*order.terms)[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    return Page(rows, _encode(order.values_of(rows[-1]), order) if more else None)


@dataclass(frozen=True, slots=True)
class _Order:
    descending: bool
    fields: tuple["Field[Any, Any]", ...]

    @classmethod
    def of(cls, model: type[Model], order_by: str | Sequence[str]) -> "_Order":
        terms = [order_by] if isinstance(order_by, str) else list(order_by)
        descending = terms[0].startswith("-")
        assert all(term.startswith("-") == descending for term in terms), "one direction only"
        names = [term.removeprefix("-") for term in terms]
        fields = [model._meta.get_field(name) for name in names if name not in {"id", "pk"}]
        return cls(descending, (*fields, model._meta.pk))  # type: ignore[arg-type]  # plain columns

    @property
    def terms(self) -> list[str]:
        sign = "-" if self.descending else ""
        return [f"{sign}{field.attname}" for field in self.fields]

    def values_of(self, row: Model) -> list[Any]:
        return [getattr(row, field.attname) for field in self.fields]

    def after(self, queryset: QuerySet[Row], values: Sequence[Any]) -> QuerySet[Row]:
        if len(self.fields) == 1:
            lookup = "lt" if self.descending else "gt"
            return queryset.filter(**{f"{self.fields[0].attname}__{lookup}": values[0]})
        # One comparison of rows, which PostgreSQL walks along the index over the same columns.
        compare = TupleLessThan if self.descending else TupleGreaterThan
        columns = Tuple(*(F(field.attname) for field in self.fields))
        return queryset.filter(compare(columns, tuple(values)))


def _size(limit: str | None) -> int:
    if limit is None:
        return DEFAULT_LIMIT
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= 100):
        raise ValidationFailed.of("limit", "invalid", f"A whole number from 1 to {MAX_LIMIT}.")
    return int(limit)


def _encode(values: Sequence[Any], order: _Order) -> str:
    parts = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    text = json.dumps([order.terms, parts], separators=(",", ":"), default=str)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode(cursor: str, order: _Order) -> list[Any]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return _values(json.loads(text), order)
    except (ValueError, TypeError, ValidationError, RecursionError) as error:
        raise ValidationFailed.of("cursor", "invalid", "This cursor is not valid here.") from error


def _values(content: Any, order: _Order) -> list[Any]:
    terms, parts = content
    if terms != order.terms or len(parts) != len(order.fields):
        raise ValueError("made by another list")
    return [_column_value(field, part) for field, part in zip(order.fields, parts, strict=True)]


def _column_value(field: "Field[Any, Any]", part: Any) -> Any:
    if isinstance(part, bool) or not isinstance(part, int | str) or "\x00" in str(part):
        raise ValueError("not a value of a cursor")
    value = field.to_python(part)
    if isinstance(value, int) and abs(value) > MAX_BIGINT:
        raise ValueError("beyond a bigint")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("a moment without offset")
    return value
