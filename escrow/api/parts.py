"""/escrows/{id}/milestones and /escrows/{id}/deposits."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from escrow import rules, selectors
from escrow.api.serializers import (
    DepositOut,
    MilestoneIn,
    MilestoneOut,
    NoFilter,
    RejectDepositIn,
)
from escrow.api.terms import milestone_terms
from escrow.api.views import EVERYONE, EscrowBase
from escrow.services import deposits, milestones
from escrow.services.results import DepositResult
from kobatela.kernel.caller import Scope


class MilestoneViewSet(EscrowBase):
    """The milestones of an escrow."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": rules.ADD_MILESTONE.scopes,
        "list": EVERYONE,
        "retrieve": EVERYONE,
    }

    @extend_schema(request=MilestoneIn, responses={201: MilestoneOut})
    def create(self, request: Request, escrow_id: int) -> Response:
        """Add a milestone."""
        terms = milestone_terms(self.valid(MilestoneIn))
        milestone = milestones.add_milestone(caller=self.caller, escrow_id=escrow_id, terms=terms)
        return Response(self.shown(MilestoneOut, milestone), status=201)

    @extend_schema(responses=MilestoneOut(many=True))
    def list(self, request: Request, escrow_id: int) -> Response:
        """The milestones of one escrow in their sequence."""
        self.filters(NoFilter)
        escrow = selectors.get_escrow(self.caller, escrow_id)
        found = selectors.visible_milestones(self.caller).filter(escrow=escrow)
        return self.page(found, MilestoneOut, order_by="sequence_index")

    @extend_schema(responses=MilestoneOut)
    def retrieve(self, request: Request, milestone_id: int) -> Response:
        """One milestone."""
        milestone = selectors.get_milestone(self.caller, milestone_id)
        return Response(self.shown(MilestoneOut, milestone))


class DepositViewSet(EscrowBase):
    """The deposits of an escrow."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "list": EVERYONE,
        "confirm": rules.CONFIRM_DEPOSIT.scopes,
        "reject": rules.REJECT_DEPOSIT.scopes,
    }

    @extend_schema(responses=DepositOut(many=True))
    def list(self, request: Request, escrow_id: int) -> Response:
        """The deposits of one escrow, newest first."""
        self.filters(NoFilter)
        escrow = selectors.get_escrow(self.caller, escrow_id)
        return self.page(selectors.deposits_of(escrow), DepositOut)

    @extend_schema(request=None, responses=DepositOut)
    def confirm(self, request: Request, escrow_id: int, deposit_id: int) -> Response:
        """Confirm that the money has arrived."""
        return self._result_of(
            deposits.confirm_deposit(caller=self.caller, escrow_id=escrow_id, deposit_id=deposit_id)
        )

    @extend_schema(request=RejectDepositIn, responses=DepositOut)
    def reject(self, request: Request, escrow_id: int, deposit_id: int) -> Response:
        """Say that the money never came."""
        note = self.valid(RejectDepositIn).get("note", "")
        return self._result_of(
            deposits.reject_deposit(
                caller=self.caller, escrow_id=escrow_id, deposit_id=deposit_id, note=note
            )
        )

    def _result_of(self, done: DepositResult) -> Response:
        return Response(self.shown(DepositOut, done.deposit, done.approvals))
