"""POST /files/proofs."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.accounts.selectors import language_of
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import DomainError
from kobatela.rest.viewsets import KobatelaViewSet
from kobatela.uploads.api.parsers import FileFormParser
from kobatela.uploads.api.serializers import FileIn, UploadOut
from kobatela.uploads.errors import FileRefused
from kobatela.uploads.services import files
from kobatela.uploads.services.files import StoredFile


class JudgesFiles:
    """For views that judge and keep a file before their transaction.

    `prepare` judges through `judge` and sets `stored`. The command first calls `require_judged`,
    and `keep_on_commit` once it has written the row. Whatever happens then (a refusal, a rollback,
    a replay by another request), the file stays exactly if a row names it.
    """

    stored: StoredFile | None = None
    _refusal: DomainError | None = None

    def judge(self, work: Callable[[], None]) -> None:
        """Do the work; what it refuses is the command's own refusal, to be raised there."""
        try:
            work()
        except DomainError as refusal:
            self._refusal = refusal

    def require_judged(self) -> None:
        """Raise what was refused, inside the command's transaction: so its answer is stored under
        the request's key, and a repeat gets the same."""
        if self._refusal is not None:
            raise self._refusal

    def keep_on_commit(self) -> None:
        """The file has a row: when that is committed, nothing is left to look after."""
        transaction.on_commit(self._is_kept)

    def _is_kept(self) -> None:
        self.stored = None

    def handle_exception(self, exc: Exception) -> Response:
        """Answer a refusal of what a person sent in that person's language."""
        if isinstance(exc, FileRefused):
            # Whose file is refused has come in; of anybody else the request would ask for the key
            # once more, and the second refusal would be an error of ours.
            caller = self.request.auth  # type: ignore[attr-defined]  # of the view
            if isinstance(caller, Caller):
                exc.tell_in(language_of(caller.user_id))
        answer: Response = super().handle_exception(exc)  # type: ignore[misc]  # of the view
        return answer

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the request, then look whether its file was used."""
        try:
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]  # of the view
        finally:
            if self.stored is not None:
                files.discard_unregistered(stored=self.stored)
        return response


class FileViewSet(JudgesFiles, KobatelaViewSet):
    """Files sent ahead of the command that uses them."""

    parser_classes = (FileFormParser,)
    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": frozenset({Scope.SENDER, Scope.PROVIDER})
    }

    def prepare(self, request: Request, **kwargs: Any) -> None:
        """Judge and keep the file before the transaction."""
        file = self.valid(FileIn)["file"]

        def receive() -> None:
            self.stored = files.receive(stream=file, name=file.name)

        self.judge(receive)

    @extend_schema(request=FileIn, responses={201: UploadOut})
    def create(self, request: Request) -> Response:
        """Remember the file as the caller's, usable once within 24 hours."""
        self.require_judged()
        assert self.stored is not None
        assert self.caller.party_id is not None
        upload = files.register(
            stored=self.stored,
            owner_id=self.caller.party_id,
            actor=self.caller.actor,
            on_behalf_of=self.caller.on_behalf_of,
        )
        self.keep_on_commit()
        return Response(UploadOut(upload).data, status=201)
