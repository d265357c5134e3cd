"""Rows of a model by a fixed statement, for the few that every request asks.

Django composes a query anew each time, and `raw` looks its columns up anew: 0.2 ms of the web
process, which is more than PostgreSQL takes to answer. Here all of it is done once.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model

Row = TypeVar("Row", bound=Model)


class RowStatement(Generic[Row]):
    """`SELECT <the columns of the model, and more> <clauses>`, which finds at most one row.

    clauses: from FROM on; the model's table is not renamed in it. more: further columns.
    """

    def __init__(self, model: type[Row], clauses: str, *, more: tuple[str, ...] = ()) -> None:
        fields = model._meta.concrete_fields
        table = model._meta.db_table
        columns = [f'"{table}"."{field.column}"' for field in fields]
        self._model = model
        self._sql = f"SELECT {', '.join([*columns, *more])} {clauses}"
        self._names = [field.attname for field in fields]
        self._converters: list[tuple[int, Any, list[Callable[..., Any]]]] = [
            (place, field.get_col(table), converters)
            for place, field in enumerate(fields)
            if (converters := field.get_db_converters(connection))
        ]

    def first(self, *parameters: int | str | None) -> Row | None:
        """The row, or None."""
        found = self.first_with_more(*parameters)
        return found and found[0]

    def first_with_more(self, *parameters: int | str | None) -> tuple[Row, list[Any]] | None:
        """The row and what the further columns hold, or None."""
        with connection.cursor() as cursor:
            cursor.execute(self._sql, parameters)
            found = cursor.fetchone()
        if found is None:
            return None
        values = list(found)
        for place, column, converters in self._converters:
            for convert in converters:
                values[place] = convert(values[place], column, connection)
        count = len(self._names)
        return self._model.from_db(DEFAULT_DB_ALIAS, self._names, values[:count]), values[count:]
