"""Payments that people make from a file, in the console: from waiting payments to the statement."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kobatela.accounts.list_commands import ListCommand, MakingAdmin
from kobatela.accounts.services.approvals import approval_states
from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import (
    ADMIN_GROUP,
    SUPPORT_GROUP,
    Command,
    NoteForm,
    has_role,
    reference_link,
    refusal_text,
)
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import Money
from payments.admin.tables import table
from payments.batches import lines_of, statements_of
from payments.downloads import file_response
from payments.models import Batch, BatchStatus
from payments.psp.manual import MAX_STATEMENT_BYTES
from payments.services.batch_files import release_file
from payments.services.batches import APPROVE_COMMAND, approve_batch, cancel_batch, collect_batch
from payments.services.routes import PAID_BY_PEOPLE
from payments.services.statements import import_statement

_STAFF = frozenset({ADMIN_GROUP, SUPPORT_GROUP})
_NEEDED = 2
_OUT = frozenset({BatchStatus.EXPORTED, BatchStatus.IMPORTED, BatchStatus.CLOSED})


def _currencies() -> list[tuple[str, str]]:
    return [(code, code) for code in settings.KOBATELA_CURRENCIES]


def _kinds() -> list[tuple[str, str]]:
    return [(kind, kind.replace("_", " ")) for kind in sorted(PAID_BY_PEOPLE)]


class CollectForm(forms.Form):
    """Which of the payments that wait."""

    currency = forms.ChoiceField(choices=_currencies)
    kind = forms.ChoiceField(choices=_kinds)


class StatementForm(forms.Form):
    """What the bank or the operator says of the lines."""

    file = forms.FileField(
        help_text="CSV with the columns line, outcome (settled, failed or returned), amount, "
        "reference and date."
    )


def _caller(request: HttpRequest) -> Caller:
    return staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in


def _page(batch_id: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:payments_batch_change", args=[batch_id]))


def _collect(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    batch = collect_batch(caller=_caller(request), currency=data["currency"], kind=data["kind"])
    messages.success(
        request,
        f"Payments: {batch.line_count}, {batch.money} in all. Two people must approve them.",
    )
    return _page(batch.pk)


def _approve(request: HttpRequest, batch: Batch, _data: Mapping[str, Any]) -> str:
    result = approve_batch(caller=_caller(request), batch_id=batch.pk)
    if not result.approvals.granted:
        return "It is noted. Another person must approve it too."
    return "It is approved; its file can be released."


def _cancel(request: HttpRequest, batch: Batch, data: Mapping[str, Any]) -> str:
    cancel_batch(caller=_caller(request), batch_id=batch.pk, note=data["note"])
    return "It is cancelled; its payments wait for another batch."


def _release(request: HttpRequest, batch: Batch, _data: Mapping[str, Any]) -> str:
    released = release_file(caller=_caller(request), batch_id=batch.pk)
    return f"{released.name} is released and its payments are in transit. Download it below."


def _take_statement(request: HttpRequest, batch: Batch, data: Mapping[str, Any]) -> str:
    content = data["file"].read(MAX_STATEMENT_BYTES + 1)
    taken = import_statement(caller=_caller(request), batch_id=batch.pk, content=content)
    told = ", ".join(f"{count} {name}" for name, count in taken.counts.items())
    if taken.problems:
        told += f"; rows not taken: {len(taken.problems)}, see below"
    return f"The statement is taken: {told}."


def _no_approval(batch: Batch) -> str | None:
    return None if batch.status == BatchStatus.DRAFT else f"It is {batch.status}."


def _no_cancelling(batch: Batch) -> str | None:
    may_be = batch.status in {BatchStatus.DRAFT, BatchStatus.APPROVED}
    return None if may_be else f"It is {batch.status}."


def _no_release(batch: Batch) -> str | None:
    if batch.status == BatchStatus.DRAFT:
        return "Two people must approve it first."
    return None if batch.status == BatchStatus.APPROVED else f"It is {batch.status}."


def _no_statement(batch: Batch) -> str | None:
    return None if batch.status in _OUT else f"The file of a {batch.status} batch is not out."


def _approvals(batch: Batch) -> str:
    if batch.status != BatchStatus.DRAFT:
        return "-"
    state = approval_states([batch.reference], APPROVE_COMMAND).get(batch.reference)
    return f"{state.given if state else 0} of {_NEEDED}"


def _facts(batch: Batch) -> list[tuple[str, str]]:
    return [
        ("Payments", str(batch.line_count)),
        ("In all", str(batch.money)),
        ("To", batch.kind.replace("_", " ")),
        ("Collected by", batch.created_by),
        ("Approved", _approvals(batch)),
    ]


@admin.display(description="total", ordering="total_minor")
def _total(batch: Batch) -> str:
    return str(batch.money)


@admin.register(Batch)
class BatchAdmin(MakingAdmin):
    """Batches with their lines, statements and file."""

    list_display = (
        "id",
        "status",
        "kind",
        "line_count",
        _total,
        "created_by",
        "created_at",
        "exported_at",
        "closed_at",
    )
    list_filter = ("status", "kind", "currency")
    search_fields = ("=id", "=lines__code", "=lines__payment__id", "=file_sha256")
    ordering = ("-id",)
    readonly_fields = ("approvals", "file", "lines", "statements")
    list_commands: ClassVar[Sequence[ListCommand]] = (
        ListCommand(
            "collect",
            "Collect payments",
            CollectForm,
            _collect,
            help_text="Puts the payments of one currency that wait for people into a batch: the "
            "oldest first, 200 at most.",
            roles=_STAFF,
        ),
    )
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "approve",
            "Approve",
            _approve,
            help_text="Two people must, and neither may have a stake in one of the payments.",
            danger=True,
            refusal=_no_approval,
            facts=_facts,
        ),
        Command(
            "release",
            "Release the file",
            _release,
            help_text="From then on its payments are in transit. What may not be paid any more is "
            "left out and waits for another batch.",
            danger=True,
            refusal=_no_release,
            facts=_facts,
        ),
        Command(
            "statement",
            "Take a statement",
            _take_statement,
            form_class=StatementForm,
            help_text="Settles, fails or takes back line by line. The same statement again changes "
            "nothing.",
            refusal=_no_statement,
            facts=_facts,
        ),
        Command(
            "cancel",
            "Cancel",
            _cancel,
            form_class=NoteForm,
            help_text="Its payments wait for another batch.",
            refusal=_no_cancelling,
            facts=_facts,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """The file, before the default pages."""
        view = self.admin_site.admin_view(self._file)
        return [
            path("<path:object_id>/file/", view, name="payments_batch_file"),
            *super().get_urls(),
        ]

    def _file(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One more copy of what was released; a look never releases anything."""
        if not has_role(request, self.view_roles):
            raise PermissionDenied
        batch = self.get_object(request, unquote(object_id))
        if batch is None or batch.status not in _OUT:
            raise Http404
        try:
            return file_response(release_file(caller=_caller(request), batch_id=batch.pk))
        except DomainError as refusal:
            messages.error(request, refusal_text(refusal))
            return _page(batch.pk)

    @admin.display(description="approvals")
    def approvals(self, batch: Batch) -> str:
        """How many people have agreed to a draft."""
        return _approvals(batch)

    @admin.display(description="file")
    def file(self, batch: Batch) -> SafeString | str:
        """Where to get it once it is out."""
        if batch.status not in _OUT:
            return "not released"
        url = reverse("admin:payments_batch_file", args=[batch.pk])
        return format_html('<a href="{}">Download</a>', url)

    @admin.display(description="lines")
    def lines(self, batch: Batch) -> SafeString:
        """Each payment, where it goes, and what became of it."""
        return table(
            ("line", "payment", "to", "account", "amount", "status", "bank reference", "on"),
            (
                (
                    line.code,
                    reference_link(line.payment.reference),
                    line.destination.holder,
                    line.destination.masked,
                    Money(line.amount_minor, batch.currency),
                    line.status,
                    line.bank_reference,
                    line.reported_on or "",
                )
                for line in lines_of(batch.pk)
            ),
        )

    @admin.display(description="statements")
    def statements(self, batch: Batch) -> SafeString:
        """What was taken, and the rows that changed nothing."""
        return table(
            ("taken", "by", "settled", "failed", "returned", "unchanged", "rows not taken"),
            (
                (
                    f"{taken.created_at:%Y-%m-%d %H:%M:%S}",
                    taken.created_by,
                    taken.settled,
                    taken.failed,
                    taken.returned,
                    taken.unchanged,
                    ", ".join(
                        f"{row['row']}: {row['code']} {row['line']}".strip()
                        for row in taken.problems
                    ),
                )
                for taken in statements_of(batch.pk)
            ),
        )
