"""Taking values out of decoded JSON that comes from where hostile bytes were handled.

Every function gives the value only if it has exactly the type and lies in the range that it must,
and raises ValueError otherwise.
"""

import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

Item = TypeVar("Item")
Member = TypeVar("Member", bound=StrEnum)


def take_dict(data: object, names: Sequence[str]) -> dict[str, Any]:
    """Give a dict that has these names and no others."""
    if type(data) is not dict or data.keys() != set(names):
        raise ValueError(f"not an object with {', '.join(names)}")
    return data


def take_list(data: object, take: Callable[[Any], Item], *, at_most: int) -> tuple[Item, ...]:
    """Give a list's items, each taken by `take`."""
    if type(data) is not list or len(data) > at_most:
        raise ValueError(f"not a list of at most {at_most} items")
    return tuple(take(item) for item in data)


def take_text(data: object, *, at_most: int) -> str:
    """Give a text of at most so many characters, and none that PostgreSQL cannot store."""
    if type(data) is not str or len(data) > at_most or "\0" in data:
        raise ValueError(f"not a text of at most {at_most} characters")
    try:
        data.encode()
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair is no text") from None
    return data


def take_int(data: object, *, at_least: int, at_most: int) -> int:
    """Give a whole number of a range. A boolean is none."""
    if type(data) is not int or not at_least <= data <= at_most:
        raise ValueError(f"not a whole number from {at_least} to {at_most}")
    return data


def take_number(data: object, *, at_least: float, at_most: float) -> float:
    """Give a finite number of a range."""
    if type(data) not in {int, float} or not math.isfinite(data):  # type: ignore[arg-type] # it is
        raise ValueError("not a number")
    number = float(data)  # type: ignore[arg-type] # see above
    if not at_least <= number <= at_most:
        raise ValueError(f"not a number from {at_least} to {at_most}")
    return number


def take_bool(data: object) -> bool:
    """Give a boolean; 0 and 1 are none."""
    if type(data) is not bool:
        raise ValueError("neither true nor false")
    return data


def take_member(data: object, of: type[Member]) -> Member:
    """Give a member of an enumeration of texts."""
    return of(take_text(data, at_most=100))


def optional(take: Callable[[Any], Item], data: object) -> Item | None:
    """Give None for None, and all else as `take` gives it."""
    return None if data is None else take(data)
