"""/allowlist, /certified, /transactions: restricted transfers, for admins."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.kernel.caller import Scope
from kobatela.kernel.money import Money
from kobatela.rest.fields import minor
from kobatela.rest.idempotency import Idempotency
from kobatela.rest.viewsets import KobatelaViewSet
from spend import transfers
from spend.api.transfer_serializers import (
    AllowlistAddedOut,
    AllowlistFilter,
    AllowlistIn,
    AllowlistOut,
    CertificationOut,
    CertifiedFilter,
    CertifiedIn,
    CertifiedOut,
    TransactionFilter,
    TransactionIn,
    TransactionOut,
)
from spend.services import transfers as services

_ADMIN = frozenset({Scope.ADMIN})


class AllowlistViewSet(KobatelaViewSet):
    """Who may transfer to whom."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = dict.fromkeys(
        ("create", "list", "destroy"), _ADMIN
    )

    @extend_schema(request=AllowlistIn, responses={201: AllowlistAddedOut})
    def create(self, request: Request) -> Response:
        """Let one user transfer to another; who may already stays as they are."""
        allowed = services.allow_recipient(caller=self.caller, **self.valid(AllowlistIn))
        return _permitted(AllowlistOut(allowed.row).data, "added" if allowed.is_new else "exists")

    @extend_schema(parameters=[AllowlistFilter], responses=AllowlistOut(many=True))
    def list(self, request: Request) -> Response:
        """The allowlist, newest first."""
        found = transfers.allowed_recipients().filter(**self.filters(AllowlistFilter))
        return self.page(found, AllowlistOut)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, allowed_id: int) -> Response:
        """Take an entry back."""
        services.remove_recipient(caller=self.caller, allowed_id=allowed_id)
        return Response(status=204)


class CertifiedViewSet(KobatelaViewSet):
    """Who may receive from anybody."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = dict.fromkeys(
        ("create", "list", "destroy"), _ADMIN
    )

    @extend_schema(request=CertifiedIn, responses={201: CertificationOut})
    def create(self, request: Request) -> Response:
        """Certify a user, or change their level."""
        done = services.certify_account(caller=self.caller, **self.valid(CertifiedIn))
        return _permitted(CertifiedOut(done.row).data, "created" if done.is_new else "updated")

    @extend_schema(parameters=[CertifiedFilter], responses=CertifiedOut(many=True))
    def list(self, request: Request) -> Response:
        """Certified users, newest first."""
        found = transfers.certified_accounts().filter(**self.filters(CertifiedFilter))
        return self.page(found, CertifiedOut)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, certified_id: int) -> Response:
        """Take a certification back."""
        services.remove_certification(caller=self.caller, certified_id=certified_id)
        return Response(status=204)


class TransactionViewSet(KobatelaViewSet):
    """Instructions that were authorised. They move no money."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = dict.fromkeys(
        ("create", "list", "retrieve"), _ADMIN
    )
    idempotency: ClassVar[Mapping[str, Idempotency]] = {"create": Idempotency.REQUIRED}

    @extend_schema(request=TransactionIn, responses={201: TransactionOut})
    def create(self, request: Request) -> Response:
        """Record an instruction that the allowlist or a certification authorises."""
        body = self.valid(TransactionIn)
        money = Money(minor(body["amount"], body["currency"]), body["currency"])
        transfer = services.record_transfer(
            caller=self.caller,
            sender_id=body["sender_id"],
            receiver_id=body["receiver_id"],
            money=money,
        )
        return Response(TransactionOut(transfer).data, status=201)

    @extend_schema(parameters=[TransactionFilter], responses=TransactionOut(many=True))
    def list(self, request: Request) -> Response:
        """Authorised instructions, newest first."""
        found = transfers.transfers().filter(**self.filters(TransactionFilter))
        return self.page(found, TransactionOut)

    @extend_schema(responses=TransactionOut)
    def retrieve(self, request: Request, transaction_id: int) -> Response:
        """One instruction; the reading is audited."""
        transfer = services.read_transfer(caller=self.caller, transfer_id=transaction_id)
        return Response(TransactionOut(transfer).data)


def _permitted(shown: Any, status: str) -> Response:
    return Response({"status": status, **shown}, status=201)
