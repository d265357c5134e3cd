"""The paths of escrows, their milestones and deposits, and of public-sector projects."""

from django.urls import path

from escrow.api.parts import DepositViewSet, MilestoneViewSet
from escrow.api.projects import GrantViewSet, MandateViewSet, ProjectViewSet
from escrow.api.views import EscrowViewSet

_COMMANDS = {
    "deposit": "deposit",
    "funding-session": "funding_session",
    "mark-delivered": "mark_delivered",
    "client-approve": "client_approve",
    "client-reject": "client_reject",
    "cancel": "cancel",
    "dispute": "dispute",
    "refund": "refund",
    "resolve": "resolve",
    "check-deadline": "check_deadline",
}

urlpatterns = [
    path("escrows", EscrowViewSet.as_view({"get": "list", "post": "create"}), name="escrow-list"),
    path(
        "escrows/milestones/<int:milestone_id>",
        MilestoneViewSet.as_view({"get": "retrieve"}),
        name="milestone-detail",
    ),
    path(
        "escrows/<int:escrow_id>", EscrowViewSet.as_view({"get": "retrieve"}), name="escrow-detail"
    ),
    path(
        "escrows/<int:escrow_id>/summary",
        EscrowViewSet.as_view({"get": "summary"}),
        name="escrow-summary",
    ),
    path(
        "escrows/<int:escrow_id>/timeline",
        EscrowViewSet.as_view({"get": "timeline"}),
        name="escrow-timeline",
    ),
    path(
        "escrows/<int:escrow_id>/payments",
        EscrowViewSet.as_view({"get": "payments"}),
        name="escrow-payments",
    ),
    path(
        "escrows/<int:escrow_id>/milestones",
        MilestoneViewSet.as_view({"get": "list", "post": "create"}),
        name="escrow-milestones",
    ),
    path(
        "escrows/<int:escrow_id>/deposits",
        DepositViewSet.as_view({"get": "list"}),
        name="escrow-deposits",
    ),
    path(
        "escrows/<int:escrow_id>/deposits/<int:deposit_id>/confirm",
        DepositViewSet.as_view({"post": "confirm"}),
        name="deposit-confirm",
    ),
    path(
        "escrows/<int:escrow_id>/deposits/<int:deposit_id>/reject",
        DepositViewSet.as_view({"post": "reject"}),
        name="deposit-reject",
    ),
    *(
        path(
            f"escrows/<int:escrow_id>/{word}",
            EscrowViewSet.as_view({"post": action}),
            name=f"escrow-{word}",
        )
        for word, action in _COMMANDS.items()
    ),
    path(
        "kct_public/projects",
        ProjectViewSet.as_view({"get": "list", "post": "create"}),
        name="project-list",
    ),
    path(
        "kct_public/projects/<int:project_id>",
        ProjectViewSet.as_view({"get": "retrieve"}),
        name="project-detail",
    ),
    path(
        "kct_public/projects/<int:project_id>/managers",
        ProjectViewSet.as_view({"post": "add_manager"}),
        name="project-managers",
    ),
    path(
        "kct_public/projects/<int:project_id>/mandates",
        ProjectViewSet.as_view({"post": "attach"}),
        name="project-mandates",
    ),
    path(
        "kct_public/projects/<int:project_id>/report",
        ProjectViewSet.as_view({"get": "report"}),
        name="project-report",
    ),
    path(
        "kct_public/mandates",
        MandateViewSet.as_view({"get": "list"}),
        name="public-mandate-list",
    ),
    path(
        "kct_public/grants",
        GrantViewSet.as_view({"get": "list", "post": "create"}),
        name="project-grant-list",
    ),
    path(
        "kct_public/grants/<int:grant_id>",
        GrantViewSet.as_view({"delete": "destroy"}),
        name="project-grant-detail",
    ),
]
