"""What this floor asks of the floors above it."""

from collections.abc import Callable

_open_escrow_checks: list[Callable[[int], bool]] = []


def register_open_escrow_check(check: Callable[[int], bool]) -> None:
    """Name the one function that tells whether a user has an open escrow. For AppConfig.ready.

    Raises RuntimeError when another one is registered already.
    """
    if _open_escrow_checks and _open_escrow_checks[0] is not check:
        raise RuntimeError("Whether a user has an open escrow is answered in one place only.")
    _open_escrow_checks[:] = [check]


def has_open_escrow_check() -> bool:
    """Whether somebody answers; a system check fails the start when nobody does."""
    return bool(_open_escrow_checks)


def has_open_escrow(user_id: int) -> bool:
    """Whether the user is a party of an escrow that is not closed."""
    return _open_escrow_checks[0](user_id)
