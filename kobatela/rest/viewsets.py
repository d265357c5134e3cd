"""The base of every API view: gates, one transaction per command, stored answers, simulations."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from kobatela.kernel import trace
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.crashpoints import crashpoint
from kobatela.kernel.errors import DomainError, FieldProblem, Kind, ValidationFailed
from kobatela.rest import idempotency, throttling
from kobatela.rest.encoding import json_bytes
from kobatela.rest.errors import BadRequest, IdempotencyKeyReused, MethodNotAllowed, NotFound
from kobatela.rest.fields import MAX_BIGINT, FilterSerializer, field_problems
from kobatela.rest.idempotency import Claim, Idempotency, StoredAnswer
from kobatela.rest.pagination import keyset_page
from kobatela.rest.scopes import SAFE_METHODS

Row = TypeVar("Row", bound=Model)
Handler = Callable[..., HttpResponseBase]

_PAGE_PARAMETERS = frozenset({"limit", "cursor"})
_STORED_REFUSALS = frozenset({Kind.CONFLICT, Kind.INVALID})


class KobatelaViewSet(GenericViewSet[Any]):
    """A resource of the API.

    scopes: which key scopes each action takes; an action without a row is refused by a system
    check (`rest.E001`). public: actions that need no key.
    idempotency: by action; unsafe actions without a row take an optional key.
    simulatable: actions that take `?simulate=true`.
    shown_once: by action, the fields of the answer that a replay shows as null.

    Every unsafe action runs inside one transaction together with its idempotency record; an
    exception rolls all of it back.
    """

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {}
    public: ClassVar[frozenset[str]] = frozenset()
    idempotency: ClassVar[Mapping[str, Idempotency]] = {}
    simulatable: ClassVar[frozenset[str]] = frozenset()
    shown_once: ClassVar[Mapping[str, frozenset[str]]] = {}
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    @property
    def caller(self) -> Caller:
        """Who is calling."""
        caller = self.request.auth
        assert isinstance(caller, Caller), "the gates let only callers in"
        return caller

    def has_to_prepare(self, **kwargs: Any) -> bool:
        """Whether `prepare` has anything to do; a view that can tell cheaply says so here, which
        spares most requests the look for a stored answer before it."""
        return type(self).prepare is not KobatelaViewSet.prepare

    def prepare(self, request: Request, **kwargs: Any) -> None:
        """Work that must stand even if the command is refused: after the gates, before the
        command's transaction, in transactions of its own. Not run for a replayed answer; in a
        simulation it runs inside what is rolled back."""

    def shows_due(self, request: Request, **kwargs: Any) -> bool:
        """Whether a simulation tells this caller what `prepare` did: a view says no where somebody
        may command who may not see all that comes due before."""
        return True

    def valid(
        self, serializer: type[BaseSerializer[Any]], *, partial: bool = False
    ) -> dict[str, Any]:
        """The body, validated. Raises ValidationFailed.

        partial: only what is named changes, so what nothing here knows is refused: a misspelt
        field would otherwise look like a change that was made.
        """
        if partial:
            _refuse_unknown(serializer, self.request.data)
        return self._validated(serializer, self.request.data, partial=partial)

    def filters(
        self, serializer: type[FilterSerializer], *, is_paged: bool = True
    ) -> dict[str, Any]:
        """The query string of a list, validated; what `serializer` does not name is refused.

        is_paged: whether the answer comes in pages, so that `limit` and `cursor` mean something.
        """
        query = self.request.query_params
        known = serializer().fields.keys() | (_PAGE_PARAMETERS if is_paged else frozenset())
        problems = [
            {"field": name, "code": "unknown_filter", "message": "There is no such filter."}
            if name not in known
            else {"field": name, "code": "repeated", "message": "Send each filter once."}
            for name, values in query.lists()
            if name not in known or len(values) > 1
        ]
        if problems:
            raise ValidationFailed(problems)  # type: ignore[arg-type]  # both branches are problems
        return self._validated(serializer, query.dict(), partial=False)

    def page(
        self,
        queryset: QuerySet[Row],
        serializer: type[BaseSerializer[Any]],
        order_by: str | Sequence[str] = "-id",
    ) -> Response:
        """One page of `queryset` as `{items, next}`; see keyset_page."""
        query = self.request.query_params
        page = keyset_page(
            queryset, order_by=order_by, limit=query.get("limit"), cursor=query.get("cursor")
        )
        shown = serializer(page.items, many=True, context=self.get_serializer_context())
        return Response({"items": shown.data, "next": page.next})

    def get_serializer_context(self) -> dict[str, Any]:
        """What serializers may ask for: the request, this view and the caller."""
        return {"request": self.request, "view": self, "caller": self.request.auth}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer one request: gates, then the action, then bytes."""
        self.args, self.kwargs = args, kwargs
        self.headers: dict[str, str] = {}
        self.request = self.initialize_request(request, *args, **kwargs)
        method = (request.method or "").lower()
        # DRF names an action of its own for OPTIONS, which no view here answers.
        self.action = self.action_map.get(method, "")
        try:
            self.initial(self.request, *args, **kwargs)
            response = self._run_action(method, kwargs)
        except Exception as error:  # noqa: BLE001 - the mapper answers everything, in one shape
            response = self.handle_exception(error)
        return self._finished(response)

    def _run_action(self, method: str, kwargs: Mapping[str, Any]) -> HttpResponseBase:
        if not self.action:
            raise MethodNotAllowed
        handler: Handler = getattr(self, method)
        if method.upper() in SAFE_METHODS:
            return handler(self.request, **kwargs)
        return self._command(handler, kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The gates: key, rate, scope, ids that can exist."""
        throttling.check_address(request)
        _ = request.user
        throttling.check_key(request)
        self.check_permissions(request)
        if any(isinstance(value, int) and value > MAX_BIGINT for value in kwargs.values()):
            raise NotFound

    def _validated(
        self, serializer: type[BaseSerializer[Any]], data: Any, *, partial: bool
    ) -> dict[str, Any]:
        checked = serializer(data=data, partial=partial, context=self.get_serializer_context())
        if not checked.is_valid():
            raise ValidationFailed(list(field_problems(checked.errors)))
        values: dict[str, Any] = checked.validated_data
        return values

    def _command(self, handler: Handler, kwargs: Mapping[str, Any]) -> HttpResponseBase:
        if "HTTP_TRANSFER_ENCODING" in self.request.META:
            # The gateway gives us no body without a length; a command must not run without it.
            raise BadRequest("Send the body with a Content-Length.")
        _ = self.request.data  # parsed before any transaction begins
        if self._is_simulation():
            return self._simulate(handler, kwargs)
        mode = self.idempotency.get(self.action, Idempotency.OPTIONAL)
        claim = idempotency.claim_of(self.request, self.caller, mode) if self.request.auth else None
        if claim is not None:
            return self._keyed(handler, kwargs, claim)
        if self.has_to_prepare(**kwargs):
            self.prepare(self.request, **kwargs)
        with transaction.atomic():
            response = handler(self.request, **kwargs)
            crashpoint("command.written")
        crashpoint("command.committed")
        return response

    def _keyed(self, handler: Handler, kwargs: Mapping[str, Any], claim: Claim) -> HttpResponseBase:
        try:
            if self.has_to_prepare(**kwargs):
                if (stored := idempotency.find(claim)) is not None:
                    return _replay(stored)
                self.prepare(self.request, **kwargs)
                crashpoint("keyed.prepared")
            with transaction.atomic():
                if (stored := idempotency.take(claim)) is not None:
                    return _replay(stored)
                response = _as_bytes(handler(self.request, **kwargs))
                crashpoint("keyed.done")
                if 200 <= response.status_code < 300:
                    idempotency.keep(claim, self._to_store(response))
                crashpoint("keyed.kept")
            crashpoint("keyed.committed")
        except DomainError as error:
            if not _is_stored(error):
                raise
            return self._keep_refusal(claim, error)
        return response

    def _keep_refusal(self, claim: Claim, error: DomainError) -> HttpResponseBase:
        # The command is rolled back whole, its hold on the key too; so the key is taken again.
        # Whoever came between has given the answer of this key, and then that one counts.
        response = _as_bytes(self.handle_exception(error))
        crashpoint("refusal.rolled_back")
        with transaction.atomic():
            if (stored := idempotency.take(claim)) is not None:
                return _replay(stored)
            idempotency.keep(claim, StoredAnswer(response.status_code, response.content))
        crashpoint("refusal.committed")
        return response

    def _to_store(self, response: HttpResponse) -> StoredAnswer:
        hidden = self.shown_once.get(self.action)
        body = response.content
        if hidden:
            shown = json.loads(body)
            body = json_bytes({k: None if k in hidden else v for k, v in shown.items()})
        return StoredAnswer(response.status_code, body)

    def _is_simulation(self) -> bool:
        values = self.request.query_params.getlist("simulate")
        if not values:
            return False
        if values[-1].lower() not in {"true", "false"}:
            raise ValidationFailed.of("simulate", "invalid", "It is true or false.")
        wanted = values[-1].lower() == "true"
        if wanted and self.action not in self.simulatable:
            raise ValidationFailed.of(
                "simulate", "not_supported", "This command cannot be simulated."
            )
        return wanted

    def _simulate(self, handler: Handler, kwargs: Mapping[str, Any]) -> HttpResponseBase:
        refusal: DomainError | None = None
        with trace.recording() as record, transaction.atomic():
            shows_due = self.shows_due(self.request, **kwargs)
            self.prepare(self.request, **kwargs)
            if not shows_due:
                record.postings.clear()
                record.states.clear()
            before = len(record.postings), len(record.states)
            try:
                handler(self.request, **kwargs)
            except DomainError as error:
                if not _is_refusal(error):
                    raise
                refusal = error
                # What the refused command began does not happen; what came due before it does.
                del record.postings[before[0] :], record.states[before[1] :]
            transaction.set_rollback(True)
        return Response(_simulated(record, refusal))

    def _finished(self, response: HttpResponseBase) -> HttpResponseBase:
        if isinstance(response, Response):
            response = _as_bytes(response)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _simulated(record: trace.Trace, refusal: DomainError | None) -> dict[str, Any]:
    """`approvals` only where the command would wait for a second person."""
    shown: dict[str, Any] = {
        "simulated": True,
        "allowed": refusal is None,
        "refusal": refusal
        and {"code": refusal.code, "message": refusal.message, "details": refusal.details},
        "postings": record.postings,
        "states": record.states,
    }
    if refusal is None and record.approvals is not None:
        shown["approvals"] = record.approvals
    return shown


def _refuse_unknown(serializer: type[BaseSerializer[Any]], data: Any) -> None:
    known = getattr(serializer(), "fields", {})
    names = data if isinstance(data, Mapping) else ()
    problems: list[FieldProblem] = [
        {"field": str(name), "code": "unknown_field", "message": "There is no such field."}
        for name in names
        if name not in known
    ]
    if problems:
        raise ValidationFailed(problems)


def _is_stored(error: DomainError) -> bool:
    """Whether a refusal is the command's own and will be the same on a retry."""
    if error.passing or isinstance(error, ValidationFailed | IdempotencyKeyReused):
        return False
    return error.kind in _STORED_REFUSALS


def _is_refusal(error: DomainError) -> bool:
    """Whether a simulation tells of it; the rest are gates and field validation."""
    return not (
        error.passing or isinstance(error, ValidationFailed) or error.kind is Kind.NOT_FOUND
    )


def _as_bytes(response: HttpResponseBase) -> HttpResponse:
    if isinstance(response, Response):
        content = b"" if response.data is None else json_bytes(response.data)
        plain = HttpResponse(content, status=response.status_code, content_type="application/json")
        for name, value in response.items():
            if name != "Content-Type":
                plain.headers[name] = value
        return plain
    assert isinstance(response, HttpResponse), "a command answers with a body, not a stream"
    return response


def _replay(stored: StoredAnswer) -> HttpResponse:
    response = HttpResponse(stored.body, status=stored.status, content_type="application/json")
    response.headers["Idempotent-Replayed"] = "true"
    return response
