"""/mandates: permissions of senders to spend."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.kernel.caller import Scope
from kobatela.rest.viewsets import KobatelaViewSet
from spend import selectors
from spend.api import bodies
from spend.api.base import EVERYONE
from spend.api.serializers import CleanedUpOut, MandateFilter, MandateIn, MandateOut
from spend.services import mandates

_SENDER = frozenset({Scope.SENDER})


class MandateViewSet(KobatelaViewSet):
    """/mandates."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": _SENDER,
        "list": EVERYONE,
        "retrieve": EVERYONE,
        "cleanup": _SENDER | {Scope.SUPPORT},
        "revoke": _SENDER,
    }

    @extend_schema(request=MandateIn, responses={201: MandateOut})
    def create(self, request: Request) -> Response:
        """Let somebody spend."""
        terms = bodies.mandate_terms(self.valid(MandateIn))
        done = mandates.create_mandate(caller=self.caller, terms=terms)
        shown = MandateOut(done.mandate, context={"approvals": done.approvals}).data
        return Response(shown, status=201)

    @extend_schema(parameters=[MandateFilter], responses=MandateOut(many=True))
    def list(self, request: Request) -> Response:
        """The mandates that the caller gave or was given, newest first."""
        found = selectors.find_mandates(self.caller, **self.filters(MandateFilter))
        return self.page(found, MandateOut)

    @extend_schema(responses=MandateOut)
    def retrieve(self, request: Request, mandate_id: int) -> Response:
        """One mandate, and how much of it is left."""
        return Response(MandateOut(selectors.get_mandate(self.caller, mandate_id)).data)

    @extend_schema(request=None, responses={202: CleanedUpOut})
    def cleanup(self, request: Request) -> Response:
        """Expire the mandates that have run out, of those that the caller may see."""
        expired = mandates.clean_up_mandates(caller=self.caller)
        return Response({"expired": expired}, status=202)

    @extend_schema(request=None, responses=MandateOut)
    def revoke(self, request: Request, mandate_id: int) -> Response:
        """End a mandate at once."""
        mandate = mandates.revoke_mandate(caller=self.caller, mandate_id=mandate_id)
        return Response(MandateOut(mandate).data)
