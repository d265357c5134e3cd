"""Choices of a status field from its enum."""

from enum import StrEnum


def choices(states: type[StrEnum]) -> list[tuple[str, str]]:
    """The values of `states`, each named by itself."""
    return [(state.value, state.value) for state in states]
