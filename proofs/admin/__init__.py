"""Proofs in the console: the review queue, and the page on which a person decides."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit.actions import Action
from escrow.services import deadlines
from kobatela.accounts.services import approvals
from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import ConsoleAdmin
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import format_minor
from kobatela.uploads import storage
from kobatela.uploads.downloads import or_unavailable
from proofs.admin import advice, page, queue  # noqa: F401 - advice registers its own pages
from proofs.admin.forms import Verdict, VerdictForm
from proofs.admin.words import decision_tag, tone_of, words
from proofs.files import original_response, picture_response
from proofs.models import Proof
from proofs.selectors import get_proof_for_review, next_in_queue, queue_length
from proofs.services import reads, rereading
from proofs.services.decisions import APPROVE_COMMAND, decide_proof, request_info
from proofs.states import Derivative, ProofStatus

if TYPE_CHECKING:
    from kobatela.accounts.models import User

_DECISIONS = {Verdict.APPROVE: ProofStatus.APPROVED, Verdict.REJECT: ProofStatus.REJECTED}


def caller_of(request: HttpRequest) -> Caller:
    """The member of staff who is signed in."""
    return staff_caller(cast("User", request.user))


@admin.register(Proof)
class ProofAdmin(ConsoleAdmin):
    """The review queue and, for each proof, the page to decide on."""

    change_list_template = "admin/proofs/proof/queue.html"
    list_display = (
        "proof",
        "waiting_for",
        "agreement",
        "kind",
        "amount",
        "parties",
        "reasons",
        "state",
    )
    list_display_links = ("proof",)
    list_filter = (
        queue.StateFilter,
        queue.ReasonFilter,
        queue.KindFilter,
        queue.CurrencyFilter,
        queue.AmountFilter,
        queue.ValidatorFilter,
    )
    # What is looked for is told by its form, in get_search_results.
    search_fields = ("id",)
    search_help_text = "The number of a proof or an escrow, or the SHA-256 of a file."
    sortable_by = ()
    # Counting every choice of every filter would read the whole table many times.
    show_facets = admin.ShowFacets.NEVER

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Waiting longest first; with what the list shows, in one query."""
        proofs = super().get_queryset(request).select_related("client", "provider")
        return proofs.defer("facts", "metadata", "ai_explanation").order_by("created_at", "pk")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A number is a proof's or an escrow's, anything else the hash of a file."""
        term = search_term.strip().lower()
        if not term:
            return queryset, False
        if term.isascii() and term.isdecimal() and len(term) <= 18:
            return queryset.filter(Q(pk=int(term)) | Q(escrow_id=int(term))), False
        return queryset.filter(file_sha256=term), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The queue, with how many wait."""
        context = {"waiting": queue_length(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, its proofs knowing how many people have approved them."""
        found = super().get_changelist_instance(request)
        proofs: list[Proof] = list(found.result_list)
        subjects = [f"proof:{proof.pk}" for proof in proofs]
        states = approvals.approval_states(subjects, APPROVE_COMMAND)
        for proof in proofs:
            state = states.get(f"proof:{proof.pk}")
            proof.approvals_given = 0 if state is None else state.given
        found.result_list = proofs
        return found

    def get_urls(self) -> list[URLPattern]:
        """The files and the verdict, before the default pages."""
        own: list[tuple[str, Callable[..., HttpResponseBase], str]] = [
            ("<path:object_id>/verdict/", self.verdict_view, "verdict"),
            ("<path:object_id>/reread/", self.reread_view, "reread"),
            ("<path:object_id>/picture/", self.picture_view, "picture"),
            ("<path:object_id>/pages/<int:number>/", self.page_view, "page"),
            ("<path:object_id>/original/", self.original_view, "original"),
        ]
        return [
            path(route, self.admin_site.admin_view(view), name=f"proofs_proof_{name}")
            for route, view, name in own
        ] + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The evidence beside what it must show, and the verdict."""
        caller, proof = self._proof(request, object_id)
        reads.record_read(caller=caller, proof=proof, action=Action.PROOF_READ)
        return self._page(request, caller, proof, VerdictForm())

    def verdict_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Approve, reject or ask for more; what the service refuses is shown on the page."""
        caller, proof = self._proof(request, object_id)
        form = VerdictForm(request.POST or None)
        if not form.is_valid():
            return self._page(request, caller, proof, form)
        verdict = Verdict(form.cleaned_data["verdict"])
        try:
            deadlines.apply_due(escrow_id=proof.escrow_id)
            said = _apply(caller, proof, verdict, form.cleaned_data["note"])
        except DomainError as refusal:
            form.add_error(None, f"{refusal.message} ({refusal.code})")
            return self._page(request, *self._proof(request, object_id), form)
        messages.success(request, said)
        following = next_in_queue(after=proof) if form.cleaned_data["then_next"] else None
        target = proof.pk if following is None else following
        return HttpResponseRedirect(reverse("admin:proofs_proof_change", args=[target]))

    def reread_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Have the document read once more; the page says when that was asked, and what came."""
        caller, proof = self._proof(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            is_new = rereading.ask_to_reread(caller=caller, proof_id=proof.pk)
        except DomainError as refusal:
            messages.error(request, f"{refusal.message} ({refusal.code})")
        else:
            if is_new:
                messages.success(request, "The document will be read again.")
            else:
                messages.info(request, "The document is to be read again already.")
        return HttpResponseRedirect(reverse("admin:proofs_proof_change", args=[proof.pk]))

    @or_unavailable
    def picture_view(self, request: HttpRequest, object_id: str) -> FileResponse:
        """The picture made for showing, for an <img> of this page only."""
        _, proof = self._proof(request, object_id)
        if proof.upload is None or proof.derivative != Derivative.DONE:
            raise Http404
        if proof.page_count is not None:
            raise Http404
        try:
            return picture_response(storage.opened_derivative(proof.upload.storage_name))
        except FileNotFoundError:
            raise Http404 from None

    @or_unavailable
    def page_view(self, request: HttpRequest, object_id: str, number: int) -> FileResponse:
        """The picture of one page of a document, for an <img> of the proof's page only."""
        _, proof = self._proof(request, object_id)
        if proof.upload is None or not 1 <= number <= (proof.page_count or 0):
            raise Http404
        try:
            return picture_response(storage.opened_page(proof.upload.storage_name, number))
        except FileNotFoundError:
            # A page that could not be drawn has no picture; the others have theirs.
            raise Http404 from None

    @or_unavailable
    def original_view(self, request: HttpRequest, object_id: str) -> FileResponse:
        """The original, to be saved."""
        caller, proof = self._proof(request, object_id)
        if proof.upload is None:
            raise Http404
        reads.record_read(caller=caller, proof=proof, action=Action.PROOF_FILE_READ)
        return original_response(proof, proof.upload)

    def _proof(self, request: HttpRequest, object_id: str) -> tuple[Caller, Proof]:
        number = unquote(object_id)
        if (
            not self.has_view_permission(request)
            or not (number.isascii() and number.isdecimal())
            or len(number) > 18
        ):
            raise Http404
        try:
            caller = caller_of(request)
            return caller, get_proof_for_review(caller, int(number))
        except DomainError as error:
            raise Http404 from error

    def _page(
        self, request: HttpRequest, caller: Caller, proof: Proof, form: VerdictForm
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": proof,
            "title": f"Proof {proof.pk}",
            "form": form,
            "page": page.build(proof, caller),
            # The evidence needs the room.
            "is_nav_sidebar_enabled": False,
        }
        return TemplateResponse(request, "admin/proofs/proof/review.html", context)

    @admin.display(description="Proof")
    def proof(self, proof: Proof) -> str:
        """Its number and type."""
        return f"#{proof.pk} {proof.type.title()}"

    @admin.display(description="Waiting for")
    def waiting_for(self, proof: Proof) -> str:
        """How long it has been waiting, or waited."""
        return page.waited(proof)

    @admin.display(description="Escrow")
    def agreement(self, proof: Proof) -> SafeString:
        """Its number, as a link."""
        return format_html('<a href="{}">{}</a>', page.escrow_url(proof), proof.escrow_id)

    @admin.display(description="Milestone")
    def kind(self, proof: Proof) -> str:
        """Which milestone it is for."""
        return f"{proof.milestone_idx} · {proof.milestone_kind.title()}"

    @admin.display(description="Amount")
    def amount(self, proof: Proof) -> str:
        """What an approval pays."""
        return f"{format_minor(proof.amount_minor, proof.currency)} {proof.currency}"

    @admin.display(description="Parties")
    def parties(self, proof: Proof) -> str:
        """Who pays whom."""
        return f"{proof.client} → {proof.provider}"

    @admin.display(description="Why a person")
    def reasons(self, proof: Proof) -> SafeString:
        """Its reasons as labels."""
        labels = ((tone_of(code), words(code)) for code in proof.review_reasons)
        return format_html_join(" ", '<span class="console-tag {}">{}</span>', labels)

    @admin.display(description="State")
    def state(self, proof: Proof) -> SafeString:
        """How far the decision is."""
        return format_html('<span class="console-tag {}">{}</span>', *decision_tag(proof))


def _apply(caller: Caller, proof: Proof, verdict: Verdict, note: str) -> str:
    """Ask the service for what the person decided, and say what came of it."""
    if verdict is Verdict.ASK:
        request_info(caller=caller, proof_id=proof.pk, note=note)
        return f"Proof {proof.pk}: the provider was asked for more."
    decision = _DECISIONS[verdict]
    decided = decide_proof(caller=caller, proof_id=proof.pk, decision=decision, note=note)
    if decided.approvals is not None and not decided.approvals.granted:
        return f"Proof {proof.pk}: your approval counts; a second person has to approve it too."
    return f"Proof {proof.pk} was {decision.lower()}."
