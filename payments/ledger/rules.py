"""What else the books must agree with, said by the floors above and checked with them.

The ledger knows accounts, not what they stand for. Whoever keeps figures of its own beside the
books registers a statement that lists where the two disagree.
"""

from collections.abc import Mapping

_rules: dict[str, str] = {}


def register_rule(what: str, statement: str) -> None:
    """Check `statement` with every check of the books, from the start of the installation on.

    statement: one SELECT, so that it sees one moment, of a row for each disagreement: currency,
    subject, expected and found minor units. what: the disagreement in words. Raises RuntimeError
    when there is a rule of that name.
    """
    if what in _rules:
        raise RuntimeError(f"There is a rule of the books already: {what}.")
    _rules[what] = statement


def registered_rules() -> Mapping[str, str]:
    """Every rule, by what it finds."""
    return _rules
