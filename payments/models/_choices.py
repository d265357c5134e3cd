"""What the fields that hold a state share."""

from enum import StrEnum

from django.db.models import Q


def choices(states: type[StrEnum]) -> list[tuple[str, str]]:
    """The values of an enum as Django lists them."""
    return [(state.value, state.value) for state in states]


def known(states: type[StrEnum], field: str = "status") -> Q:
    """The condition that `field` holds one of the values of an enum."""
    return Q(**{f"{field}__in": [state.value for state in states]})
