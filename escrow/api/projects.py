"""/kct_public: projects of ministries and NGOs, and the escrows that pay for them."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actions import Action
from escrow import projects
from escrow.api.project_serializers import (
    AttachedOut,
    AttachIn,
    GrantIn,
    GrantOut,
    ManagerAddedOut,
    ManagerIn,
    MandateFilter,
    MandatesOut,
    ProjectFilter,
    ProjectIn,
    ProjectOut,
    PublicMandateOut,
    ReportFilter,
    totals_out,
)
from escrow.api.serializers import NoFilter
from escrow.models import Domain, Project
from escrow.reports import csv_report, pdf_report
from escrow.services import projects as services
from escrow.services.projects import ProjectTerms
from kobatela.kernel.caller import PARTY_SCOPES, Scope
from kobatela.rest.pagination import Page, keyset_page
from kobatela.rest.viewsets import KobatelaViewSet

PAGE_PARAMETERS = (
    OpenApiParameter("limit", int, description="How many at once, 1 to 100; 20 unless given."),
    OpenApiParameter("cursor", str, description="`next` of the page before."),
)
Row = TypeVar("Row", bound=Model)


class PublicViewSet(KobatelaViewSet):
    """What every resource here shares: besides the scope, the public tag is a gate."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The gates, and that the key's user is a public body or an NGO."""
        super().initial(request, *args, **kwargs)
        if self.action:
            projects.public_party(self.caller)


class ProjectViewSet(PublicViewSet):
    """Projects."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = dict.fromkeys(
        ("create", "list", "retrieve", "add_manager", "attach", "report"), PARTY_SCOPES
    )

    @extend_schema(request=ProjectIn, responses={201: ProjectOut})
    def create(self, request: Request) -> Response:
        """Make a project; its maker manages it."""
        body = self.valid(ProjectIn)
        terms = ProjectTerms(**{**body, "domain": Domain(body["domain"])})
        project = services.create_project(caller=self.caller, terms=terms)
        return Response(self._shown(project), status=201)

    @extend_schema(parameters=[ProjectFilter], responses=ProjectOut(many=True))
    def list(self, request: Request) -> Response:
        """The projects that the caller manages, newest first."""
        filters = self.filters(ProjectFilter)
        services.tell_listed(caller=self.caller, action=Action.PROJECTS_LISTED, filters=filters)
        found = projects.managed_projects(self.caller).filter(**filters)
        page = _page(request, found)
        context = {**self.get_serializer_context(), "figures": projects.figures(page.items)}
        shown = ProjectOut(page.items, many=True, context=context).data
        return Response({"items": shown, "next": page.next})

    @extend_schema(responses=ProjectOut)
    def retrieve(self, request: Request, project_id: int) -> Response:
        """One project with its figures; the reading is audited."""
        return Response(
            self._shown(services.read_project(caller=self.caller, project_id=project_id))
        )

    @extend_schema(request=ManagerIn, responses={201: ManagerAddedOut})
    def add_manager(self, request: Request, project_id: int) -> Response:
        """Let another user manage the project; once."""
        body = self.valid(ManagerIn)
        is_new = services.add_manager(caller=self.caller, project_id=project_id, **body)
        added = {"project_id": project_id, "user_id": body["user_id"]}
        return Response({"status": "added" if is_new else "exists", **added}, status=201)

    @extend_schema(request=AttachIn, responses={201: AttachedOut})
    def attach(self, request: Request, project_id: int) -> Response:
        """Count an escrow to the project; once, and to one project only."""
        escrow_id = self.valid(AttachIn)["escrow_id"]
        is_new = services.attach_escrow(
            caller=self.caller, project_id=project_id, escrow_id=escrow_id
        )
        attached = {"project_id": project_id, "escrow_id": escrow_id}
        return Response({"status": "attached" if is_new else "exists", **attached}, status=201)

    @extend_schema(
        parameters=[ReportFilter],
        responses={
            (200, "text/csv"): OpenApiTypes.BINARY,
            (200, "application/pdf"): OpenApiTypes.BINARY,
        },
    )
    def report(self, request: Request, project_id: int) -> HttpResponseBase:
        """What came in, went out and is left, with the hash of each piece of evidence."""
        form = self.filters(ReportFilter, is_paged=False)["format"]
        project = services.report_on(caller=self.caller, project_id=project_id, form=form)
        response: HttpResponseBase
        if form == "pdf":
            response = HttpResponse(pdf_report(project), content_type="application/pdf")
        else:
            kind = "text/csv; charset=utf-8"
            response = StreamingHttpResponse(csv_report(project), content_type=kind)
        name = f"kobatela-project-{project.pk}.{form}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _shown(self, project: Project) -> Any:
        context = {**self.get_serializer_context(), "figures": projects.figures([project])}
        return ProjectOut(project, context=context).data


class MandateViewSet(PublicViewSet):
    """The public and aid escrows of the projects that the caller manages."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {"list": PARTY_SCOPES}

    @extend_schema(parameters=[MandateFilter, *PAGE_PARAMETERS], responses=MandatesOut)
    def list(self, request: Request) -> Response:
        """Escrows of managed projects, newest first, and the sums of all that match."""
        filters = self.filters(MandateFilter)
        action = Action.PROJECT_MANDATES_LISTED
        services.tell_listed(caller=self.caller, action=action, filters=filters)
        found = projects.public_escrows(self.caller, **filters)
        page = _page(request, found)
        return Response(
            {
                "items": PublicMandateOut(page.items, many=True).data,
                "next": page.next,
                "totals": totals_out(projects.totals(found)),
            }
        )


class GrantViewSet(PublicViewSet):
    """By whom else an escrow may be attached to a project."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = dict.fromkeys(
        ("create", "list", "destroy"), PARTY_SCOPES
    )

    @extend_schema(request=GrantIn, responses={201: GrantOut})
    def create(self, request: Request) -> Response:
        """Let another public body attach the caller's own escrow; once."""
        grant = services.grant_escrow(caller=self.caller, **self.valid(GrantIn))
        return Response(GrantOut(grant).data, status=201)

    @extend_schema(responses=GrantOut(many=True))
    def list(self, request: Request) -> Response:
        """The grants that the caller gave or was given, newest first."""
        self.filters(NoFilter)
        return self.page(projects.visible_grants(self.caller), GrantOut)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, grant_id: int) -> Response:
        """Take a grant back; what was attached by it stays."""
        services.withdraw_grant(caller=self.caller, grant_id=grant_id)
        return Response(status=204)


def _page(request: Request, found: QuerySet[Row]) -> Page[Row]:
    query = request.query_params
    return keyset_page(found, order_by="-id", limit=query.get("limit"), cursor=query.get("cursor"))
