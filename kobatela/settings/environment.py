"""Reads the process environment once, strictly, and reports every problem at once."""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import environ  # type: ignore[import-untyped]  # it ships no types
from django.core.exceptions import ImproperlyConfigured

_NOT_SET = environ.Env.NOTSET
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


class Environment(environ.Env):  # type: ignore[misc]  # django-environ ships no types
    """django-environ, made strict.

    A missing or malformed variable is noted, its reader gets an empty value, and `finish`
    refuses the start with all of them. An empty variable counts as unset. No value is taken
    as the name of another variable. Switches are true/false, yes/no, on/off or 1/0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names_read: set[str] = set()
        self.problems: list[str] = []
        self._fallbacks: Mapping[str, str] = {}

    def fall_back_to(self, values: Mapping[str, str]) -> None:
        """Use these values where the environment has none. For development and tests."""
        self._fallbacks = values

    def is_set(self, name: str) -> bool:
        """Whether the variable, or its `_FILE` variant, has a value."""
        return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))

    def secret(self, name: str, default: str | None = _NOT_SET) -> str:
        """A secret, from the variable or from the file that `<name>_FILE` names.

        Without a default it must be set; the only default that makes sense is "".
        """
        self.names_read |= {name, f"{name}_FILE"}
        file_name = os.environ.get(f"{name}_FILE")
        if file_name:
            return self._secret_from_file(name, file_name)
        value = os.environ.get(name) or self._fallbacks.get(name)
        if value:
            return value
        if default is _NOT_SET:
            self.problems.append(f"{name} is not set, nor is {name}_FILE")
            return ""
        return default or ""

    def database(self, name: str) -> dict[str, Any]:
        """Django's settings for the PostgreSQL at the URL in the secret `name`; {} if missing."""
        url = self.secret(name)
        if not url:
            return {}
        if not url.startswith(("postgres://", "postgresql://")):
            self.problems.append(f"{name} is not a postgresql:// URL")
            return {}
        try:
            return dict(self.db_url_config(url))
        except ValueError:
            self.problems.append(f"{name} is not a valid URL")
            return {}

    def one_of(self, name: str, choices: Collection[str], default: str) -> str:
        """One of a few words."""
        value: str = self.str(name, default=default)
        if value not in choices:
            self.problems.append(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
        return value

    def get_value(
        self,
        var: str,
        cast: Any = None,
        default: Any = _NOT_SET,
        parse_default: bool = False,  # noqa: FBT001, FBT002 - the signature is django-environ's
    ) -> Any:
        """The value of one variable; called by all readers of django-environ."""
        self.names_read.add(var)
        raw = os.environ.get(var) or self._fallbacks.get(var)
        if cast is None and default is not _NOT_SET and default is not None:
            cast = type(default)
        if not raw:
            if default is not _NOT_SET:
                return default
            self.problems.append(f"{var} is not set")
            return self._empty(cast)
        try:
            return self.parse_value(raw, cast)
        except (ValueError, TypeError, ArithmeticError) as error:
            self.problems.append(f"{var} is not valid: {error}")
            return self._empty(cast) if default is _NOT_SET else default

    @classmethod
    def parse_value(cls, value: str, cast: Any) -> Any:
        """Turn text into the wanted type. Raises ValueError when it is something else."""
        if cast is bool:
            word = value.strip().lower()
            if word not in _TRUE | _FALSE:
                raise ValueError(f"{value!r} is neither true nor false")
            return word in _TRUE
        if cast is float:
            return float(value)
        return super().parse_value(value, cast)

    def finish(self) -> None:
        """Refuse the start if anything was missing or malformed. Raises ImproperlyConfigured."""
        problems, self.problems = self.problems, []
        if problems:
            lines = "".join(f"\n  - {problem}." for problem in sorted(set(problems)))
            raise ImproperlyConfigured(
                f"Kobatela does not start: its environment is incomplete.{lines}\n"
                "Every variable is explained in .env.example."
            )

    def _secret_from_file(self, name: str, file_name: str) -> str:
        try:
            value = Path(file_name).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{name}_FILE cannot be read: {error}")
            return ""
        if not value:
            self.problems.append(f"{name}_FILE names an empty file")
        return value

    @staticmethod
    def _empty(cast: Any) -> Any:
        if isinstance(cast, list | tuple | dict):
            return type(cast)()
        make: Callable[[], Any] = cast if cast in (bool, int, float, list, tuple, dict) else str
        return make()


env = Environment()
