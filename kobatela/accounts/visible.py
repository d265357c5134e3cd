"""The one condition that every selector puts on rows of parties."""

from functools import reduce
from operator import or_

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, F, Func, Q

from kobatela.accounts.selectors import nobody_else, parties_of
from kobatela.kernel.caller import Caller


class _IsAnyOf(Func):
    """`column = ANY (ARRAY(SELECT …))`.

    The array does not depend on the row, so PostgreSQL makes it once and looks each element up
    in the column's index; two of them joined by OR are two index scans. `IN (SELECT …)` joined by
    OR would instead be tested for every row of the table.
    """

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    arity = 2
    output_field = BooleanField()


def visible_to(caller: Caller, *paths: str) -> Q:
    """True for rows whose user at any of the foreign key `paths` is one the caller acts for.

    `paths` are as in a filter: `"client"`, `"escrow__provider"`. Staff see everything; a caller
    without a party sees nothing.
    """
    if caller.is_staff:
        return Q()
    if caller.party_id is None:
        return Q(pk__in=[])
    if caller.acts_for is nobody_else:
        # The planner knows how many rows one user has, but not how many an array stands for.
        return reduce(or_, [Q(**{path: caller.party_id}) for path in paths])
    ids = parties_of(caller).values("pk")
    each = [Q(_IsAnyOf(F(f"{path}_id"), ArraySubquery(ids))) for path in paths]
    return reduce(or_, each)
