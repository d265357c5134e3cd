"""/escrows: the agreement, and every command on it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from escrow import rules, selectors
from escrow.api.serializers import (
    DepositIn,
    EscrowFilter,
    EscrowIn,
    EscrowOut,
    FundingSessionOut,
    NoFilter,
    RefundIn,
    ResolveIn,
    SaidIn,
    SummaryOut,
    TimelineOut,
)
from escrow.api.summary import summary_out
from escrow.api.terms import amount_in, escrow_terms
from escrow.models import Escrow
from escrow.services import (
    acceptance,
    agreements,
    deadlines,
    deliveries,
    deposits,
    disputes,
    fundings,
    reading,
    refunds,
)
from escrow.services.journal import Said
from escrow.services.results import EscrowResult
from escrow.timeline import told
from kobatela.kernel import clock
from kobatela.kernel.caller import PARTY_SCOPES, Caller, Scope
from kobatela.kernel.errors import DomainError
from kobatela.rest.idempotency import Idempotency
from kobatela.rest.pagination import keyset_page
from kobatela.rest.scopes import check_scope
from kobatela.rest.viewsets import KobatelaViewSet
from kobatela.uploads.addresses import upload_id_of
from payments import selectors as payment_selectors
from payments.api.serializers import PaymentOut

EVERYONE = frozenset(Scope)
SENDER = frozenset({Scope.SENDER})


def passes_gate(caller: Caller, scopes: frozenset[Scope]) -> bool:
    """Whether the caller's key passes a command of these scopes."""
    try:
        check_scope(caller, scopes, is_command=True)
    except DomainError:
        return False
    return True


class EscrowBase(KobatelaViewSet):
    """What every resource under /escrows shares."""

    def has_to_prepare(self, **kwargs: Any) -> bool:
        """Only for a deadline that has passed: one look, and most of the time there is none."""
        escrow_id = kwargs.get("escrow_id")
        return escrow_id is not None and selectors.is_due(escrow_id, clock.now())

    def prepare(self, request: Request, **kwargs: Any) -> None:
        """Apply a deadline that has passed before the command meets the escrow."""
        escrow_id = kwargs.get("escrow_id")
        if escrow_id is not None:
            deadlines.apply_due_for(caller=self.caller, escrow_id=escrow_id)

    def shown(
        self, serializer: type[BaseSerializer[Any]], instance: Any, approvals: Any = None
    ) -> Any:
        """`instance` as this caller reads it."""
        context = {**self.get_serializer_context(), "approvals": approvals}
        return serializer(instance, context=context).data


class EscrowViewSet(EscrowBase):
    """Escrows."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": SENDER,
        "list": EVERYONE,
        "retrieve": EVERYONE,
        "summary": EVERYONE,
        "timeline": EVERYONE,
        "payments": EVERYONE,
        "deposit": rules.DEPOSIT.scopes,
        "funding_session": rules.FUNDING_SESSION.scopes,
        "mark_delivered": rules.MARK_DELIVERED.scopes,
        "client_approve": rules.CLIENT_APPROVE.scopes,
        "client_reject": rules.CLIENT_REJECT.scopes,
        "cancel": rules.CANCEL.scopes,
        "dispute": rules.DISPUTE.scopes,
        "refund": rules.REFUND.scopes,
        "resolve": rules.RESOLVE.scopes,
        "check_deadline": PARTY_SCOPES | {Scope.SUPPORT},
    }
    idempotency: ClassVar[Mapping[str, Idempotency]] = {
        "deposit": Idempotency.REQUIRED,
        "refund": Idempotency.REQUIRED,
        "resolve": Idempotency.REQUIRED,
    }
    simulatable = frozenset(
        {"deposit", "refund", "cancel", "client_approve", "client_reject", "resolve"}
    )
    shown_once: ClassVar[Mapping[str, frozenset[str]]] = {
        "funding_session": frozenset({"client_secret"})
    }
    funding: Any

    def has_to_prepare(self, **kwargs: Any) -> bool:
        """Always for a funding session."""
        return self.action == "funding_session" or super().has_to_prepare(**kwargs)

    def prepare(self, request: Request, **kwargs: Any) -> None:
        """Besides the deadline: a funding session is opened outside the command's transaction,
        because the PSP is called for it."""
        super().prepare(request, **kwargs)
        if self.action == "funding_session":
            self.funding = fundings.start_funding(caller=self.caller, escrow_id=kwargs["escrow_id"])

    @extend_schema(request=EscrowIn, responses={201: EscrowOut})
    def create(self, request: Request) -> Response:
        """Make an escrow, with its milestones if they are known."""
        terms = escrow_terms(self.valid(EscrowIn))
        escrow = agreements.create_escrow(caller=self.caller, terms=terms)
        return Response(self.shown(EscrowOut, escrow), status=201)

    @extend_schema(parameters=[EscrowFilter], responses=EscrowOut(many=True))
    def list(self, request: Request) -> Response:
        """The escrows that the caller may see, newest first."""
        found = selectors.find_escrows(self.caller, **self.filters(EscrowFilter))
        return self.page(found, EscrowOut)

    @extend_schema(responses=EscrowOut)
    def retrieve(self, request: Request, escrow_id: int) -> Response:
        """One escrow; the reading is audited."""
        escrow = reading.read_escrow(caller=self.caller, escrow_id=escrow_id)
        return Response(self.shown(EscrowOut, escrow))

    @extend_schema(responses=SummaryOut)
    def summary(self, request: Request, escrow_id: int) -> Response:
        """All about one escrow: balances, what the caller may do, what happens if nobody acts."""
        escrow = reading.read_escrow(caller=self.caller, escrow_id=escrow_id)
        summary = selectors.summary(self.caller, escrow, passes_gate)
        return Response(summary_out(summary, self.get_serializer_context()))

    @extend_schema(responses=TimelineOut(many=True))
    def timeline(self, request: Request, escrow_id: int) -> Response:
        """What happened to one escrow, newest first."""
        self.filters(NoFilter)
        escrow = selectors.get_escrow(self.caller, escrow_id)
        query = request.query_params
        page = keyset_page(
            selectors.timeline(escrow),
            order_by="-stream_seq",
            limit=query.get("limit"),
            cursor=query.get("cursor"),
        )
        items = told(escrow, page.items, to_staff=self.caller.is_staff)
        return Response({"items": items, "next": page.next})

    @extend_schema(responses=PaymentOut(many=True))
    def payments(self, request: Request, escrow_id: int) -> Response:
        """The payments of one escrow, newest first: those that the caller may see."""
        self.filters(NoFilter)
        escrow = selectors.get_escrow(self.caller, escrow_id)
        found = payment_selectors.find_payments(self.caller, escrow_id=escrow.pk)
        return self.page(found, PaymentOut)

    @extend_schema(request=DepositIn, responses=EscrowOut)
    def deposit(self, request: Request, escrow_id: int) -> Response:
        """Record a deposit."""
        amount = self.valid(DepositIn)["amount"]
        escrow = deposits.report_deposit(
            caller=self.caller, escrow_id=escrow_id, amount_in=amount_in(amount)
        )
        return Response(self.shown(EscrowOut, escrow))

    @extend_schema(request=None, responses={201: FundingSessionOut})
    def funding_session(self, request: Request, escrow_id: int) -> Response:
        """Start a PSP's collection of what is missing."""
        return Response(FundingSessionOut(self.funding).data, status=201)

    @extend_schema(request=SaidIn, responses=EscrowOut)
    def mark_delivered(self, request: Request, escrow_id: int) -> Response:
        """Say that the work is done; the inspection begins."""
        return self._result_of(
            deliveries.mark_delivered(caller=self.caller, escrow_id=escrow_id, said=self._said())
        )

    @extend_schema(request=SaidIn, responses=EscrowOut)
    def client_approve(self, request: Request, escrow_id: int) -> Response:
        """Accept all that is open."""
        return self._result_of(
            acceptance.approve_escrow(caller=self.caller, escrow_id=escrow_id, said=self._said())
        )

    @extend_schema(request=SaidIn, responses=EscrowOut)
    def client_reject(self, request: Request, escrow_id: int) -> Response:
        """Refuse."""
        return self._result_of(
            acceptance.reject_escrow(caller=self.caller, escrow_id=escrow_id, said=self._said())
        )

    @extend_schema(request=SaidIn, responses=EscrowOut)
    def cancel(self, request: Request, escrow_id: int) -> Response:
        """Call a DRAFT escrow off."""
        return self._result_of(
            acceptance.cancel_escrow(caller=self.caller, escrow_id=escrow_id, said=self._said())
        )

    @extend_schema(request=SaidIn, responses=EscrowOut)
    def dispute(self, request: Request, escrow_id: int) -> Response:
        """Freeze what is held until support decides."""
        return self._result_of(
            disputes.open_dispute(caller=self.caller, escrow_id=escrow_id, said=self._said())
        )

    @extend_schema(request=RefundIn, responses=EscrowOut)
    def refund(self, request: Request, escrow_id: int) -> Response:
        """Give back all that is held, or a part that no milestone needs."""
        body = self.valid(RefundIn)
        amount = body.get("amount")
        return self._result_of(
            refunds.refund_escrow(
                caller=self.caller,
                escrow_id=escrow_id,
                amount_in=None if amount is None else amount_in(amount),
                note=body.get("note", ""),
            )
        )

    @extend_schema(request=ResolveIn, responses=EscrowOut)
    def resolve(self, request: Request, escrow_id: int) -> Response:
        """End a dispute."""
        body = self.valid(ResolveIn)
        return self._result_of(
            disputes.resolve_dispute(
                caller=self.caller,
                escrow_id=escrow_id,
                release_in=amount_in(body["release"], "release", minimum_minor=0),
                refund_in=amount_in(body["refund"], "refund", minimum_minor=0),
                note=body["note"],
            )
        )

    @extend_schema(request=None, responses=EscrowOut)
    def check_deadline(self, request: Request, escrow_id: int) -> Response:
        """Apply what is due now."""
        return self._result_of(deadlines.check_deadline(caller=self.caller, escrow_id=escrow_id))

    def _said(self) -> Said:
        body = self.valid(SaidIn)
        proof_url = body.get("proof_url", "")
        # The address that we gave to an upload names the upload.
        upload_id = body.get("upload_id") or upload_id_of(proof_url)
        return Said(note=body.get("note", ""), proof_url=proof_url, upload_id=upload_id)

    def _result_of(self, done: Escrow | EscrowResult) -> Response:
        if isinstance(done, Escrow):
            return Response(self.shown(EscrowOut, done))
        return Response(self.shown(EscrowOut, done.escrow, done.approvals))
