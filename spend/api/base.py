"""How rows of controlled spending are shown with what stands elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from escrow import selectors as escrow_selectors
from escrow.services import deadlines
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.fields import MAX_BIGINT
from kobatela.rest.pagination import keyset_page
from kobatela.rest.viewsets import KobatelaViewSet
from payments.recipients import destinations_of_parties, payments_of_origins

EVERYONE = frozenset(Scope)
STAFF = frozenset({Scope.SUPPORT, Scope.ADMIN})
# What a serializer needs beside the rows themselves, fetched once for all of them.
Beside = Callable[[Sequence[Any]], Mapping[str, Any]]


class SpendBase(KobatelaViewSet):
    """Views that show rows with facts of the floors below, in one query for a whole page."""

    def listed(
        self, queryset: QuerySet[Any], serializer: type[BaseSerializer[Any]], beside: Beside
    ) -> Response:
        """One page as `{items, next}`."""
        query = self.request.query_params
        page = keyset_page(
            queryset, order_by="-id", limit=query.get("limit"), cursor=query.get("cursor")
        )
        context = {**self.get_serializer_context(), **beside(page.items)}
        shown = serializer(page.items, many=True, context=context)
        return Response({"items": shown.data, "next": page.next})

    def shown(
        self, serializer: type[BaseSerializer[Any]], row: Any, beside: Beside, **extra: Any
    ) -> Any:
        """One row as this caller reads it."""
        context = {**self.get_serializer_context(), **beside([row]), **extra}
        return serializer(row, context=context).data

    def accounts(self, rows: Sequence[Any]) -> Mapping[str, Any]:
        """The accounts of merchants or payees who are no users."""
        parties = [row.reference for row in rows if row.payee_id is None]
        return {"accounts": destinations_of_parties(parties) if parties else {}}

    def payments(self, rows: Sequence[Any]) -> Mapping[str, Any]:
        """The payments that pay for purchases now."""
        origins = [row.reference for row in rows if row.payment_id is not None]
        return {"payments": payments_of_origins(origins) if origins else {}}


class FromEscrow(SpendBase):
    """Commands that take money from an escrow: a deadline that has passed is applied before."""

    def escrow_id_of(self, request: Request, **kwargs: Any) -> int | None:
        """The escrow that the request is about; None for none, or for a body that is not valid."""
        raise NotImplementedError

    def has_to_prepare(self, **kwargs: Any) -> bool:
        """One look, and most of the time there is nothing to do."""
        escrow_id = self.escrow_id_of(self.request, **kwargs)
        return escrow_id is not None and escrow_selectors.is_due(escrow_id, clock.now())

    def prepare(self, request: Request, **kwargs: Any) -> None:
        """Apply the deadline before the command meets the escrow."""
        escrow_id = self.escrow_id_of(request, **kwargs)
        if escrow_id is not None and escrow_selectors.is_due(escrow_id, clock.now()):
            self.apply_due(request, escrow_id, **kwargs)

    def apply_due(self, request: Request, escrow_id: int, **kwargs: Any) -> None:
        """What is due happens for those whom the command will not answer 404."""
        deadlines.apply_due_for(caller=self.caller, escrow_id=escrow_id)


def id_in(body: Any, name: str) -> int | None:
    """An id of a body that nobody has validated yet."""
    value = body.get(name) if isinstance(body, Mapping) else None
    is_id = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_BIGINT
    return value if is_id else None
