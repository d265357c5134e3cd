"""Where users are paid, and the batches that people pay from."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.accounts.selectors import get_user
from kobatela.accounts.services.approvals import approval_states
from kobatela.kernel.caller import PARTY_SCOPES, Scope
from kobatela.kernel.errors import DomainError
from kobatela.rest.fields import FilterSerializer
from kobatela.rest.pagination import keyset_page
from kobatela.rest.parsers import ExactJSONParser
from kobatela.rest.viewsets import KobatelaViewSet
from kobatela.uploads.api.parsers import FileFormParser
from payments import selectors
from payments.api.payout_serializers import (
    BatchDetailOut,
    BatchFilter,
    BatchIn,
    BatchOut,
    CancelIn,
    DestinationIn,
    DestinationOut,
    StatementIn,
    StatementOut,
)
from payments.batches import get_batch, lines_of, visible_batches
from payments.downloads import file_response
from payments.models import Batch
from payments.psp.manual import MAX_STATEMENT_BYTES
from payments.services import batch_files, batches, destinations, statements
from payments.services.batches import APPROVE_COMMAND
from payments.services.statements import StatementResult

_EVERYONE = frozenset(Scope)
_STAFF = frozenset({Scope.SUPPORT, Scope.ADMIN})


class DestinationViewSet(KobatelaViewSet):
    """/users/{id}/destinations: of the key's own user and those whom that user manages."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "list": _EVERYONE,
        "create": PARTY_SCOPES,
        "destroy": PARTY_SCOPES,
    }

    @extend_schema(responses=DestinationOut(many=True))
    def list(self, request: Request, user_id: int) -> Response:
        """The destinations in force, newest first."""
        self.filters(FilterSerializer)
        user = get_user(self.caller, user_id)
        return self.page(selectors.find_destinations(user.pk), DestinationOut)

    @extend_schema(request=DestinationIn, responses={201: DestinationOut})
    def create(self, request: Request, user_id: int) -> Response:
        """Add one; it takes the place of the one of its kind and currency once it is usable."""
        get_user(self.caller, user_id)
        body = self.valid(DestinationIn)
        destination = destinations.add_destination(
            caller=self.caller,
            user_id=user_id,
            kind=body.pop("kind"),
            currency=body.pop("currency", None) or "",
            holder=body.pop("name", ""),
            fields=body,
        )
        return Response(DestinationOut(destination).data, status=201)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, user_id: int, destination_id: int) -> Response:
        """Pay nothing to it any more."""
        destinations.deactivate_destination(
            caller=self.caller, user_id=user_id, destination_id=destination_id
        )
        return Response(status=204)


class BatchViewSet(KobatelaViewSet):
    """/payments/batches: payments that people at a bank or an operator make from a file."""

    parser_classes = (ExactJSONParser, FileFormParser)
    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "list": _STAFF,
        "create": _STAFF,
        "retrieve": _STAFF,
        "approve": _STAFF,
        "cancel": _STAFF,
        "file": _STAFF,
        "statement": _STAFF,
    }
    taken: StatementResult | None = None
    refusal: DomainError | None = None

    def prepare(self, request: Request, **kwargs: Any) -> None:
        """A statement is taken row by row, each in a transaction of its own."""
        if self.action != "statement":
            return
        get_batch(self.caller, kwargs["batch_id"])
        file = self.valid(StatementIn)["file"]
        try:
            self.taken = statements.import_statement(
                caller=self.caller,
                batch_id=kwargs["batch_id"],
                content=file.read(MAX_STATEMENT_BYTES + 1),
            )
        except DomainError as refusal:
            # It is the command's own, so its answer belongs to the request's key.
            self.refusal = refusal

    @extend_schema(parameters=[BatchFilter], responses=BatchOut(many=True))
    def list(self, request: Request) -> Response:
        """The batches, newest first."""
        found = visible_batches(self.caller).filter(**self.filters(BatchFilter))
        query = request.query_params
        page = keyset_page(
            found, order_by="-id", limit=query.get("limit"), cursor=query.get("cursor")
        )
        context = self._context(*page.items)
        shown = BatchOut(page.items, many=True, context=context).data
        return Response({"items": shown, "next": page.next})

    @extend_schema(request=BatchIn, responses={201: BatchOut})
    def create(self, request: Request) -> Response:
        """Collect the payments that wait, oldest first, into a draft."""
        batch = batches.collect_batch(caller=self.caller, **self.valid(BatchIn))
        return Response(self._shown(batch), status=201)

    @extend_schema(responses=BatchDetailOut)
    def retrieve(self, request: Request, batch_id: int) -> Response:
        """One batch with its lines."""
        batch = get_batch(self.caller, batch_id)
        context = {**self._context(batch), "lines": lines_of(batch.pk)}
        return Response(BatchDetailOut(batch, context=context).data)

    @extend_schema(request=None, responses=BatchOut)
    def approve(self, request: Request, batch_id: int) -> Response:
        """Agree to pay the batch; two different people must."""
        result = batches.approve_batch(caller=self.caller, batch_id=batch_id)
        return Response(self._shown(result.batch))

    @extend_schema(request=CancelIn, responses=BatchOut)
    def cancel(self, request: Request, batch_id: int) -> Response:
        """Give a batch up whose file is not out; its payments wait for another one."""
        note = self.valid(CancelIn)["note"]
        batch = batches.cancel_batch(caller=self.caller, batch_id=batch_id, note=note)
        return Response(self._shown(batch))

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def file(self, request: Request, batch_id: int) -> HttpResponse:
        """The file to pay from. The first time it is asked for, its payments become SENT."""
        released = batch_files.release_file(caller=self.caller, batch_id=batch_id)
        return file_response(released)

    @extend_schema(request=StatementIn, responses=StatementOut)
    def statement(self, request: Request, batch_id: int) -> Response:
        """Take what the bank or operator says of the lines. The same statement again changes
        nothing."""
        if self.refusal is not None:
            raise self.refusal
        assert self.taken is not None, "a statement was taken or refused"
        return Response(StatementOut(self.taken).data)

    def _shown(self, batch: Batch) -> Any:
        return BatchOut(batch, context=self._context(batch)).data

    def _context(self, *shown: Batch) -> dict[str, Any]:
        states = approval_states([batch.reference for batch in shown], APPROVE_COMMAND)
        given = {reference: state.given for reference, state in states.items()}
        return {**self.get_serializer_context(), "given": given}
