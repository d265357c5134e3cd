"""/proofs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actions import Action
from escrow.services import deadlines
from escrow.services.evidence import open_milestone
from kobatela.accounts.services import approvals
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.parsers import ExactJSONParser
from kobatela.rest.viewsets import KobatelaViewSet
from kobatela.uploads.api.parsers import FileFormParser
from kobatela.uploads.api.views import JudgesFiles
from kobatela.uploads.services import files
from proofs.api.serializers import DecisionIn, ProofFilters, ProofIn, ProofOut, RequestInfoIn
from proofs.errors import ProofFileNotFound
from proofs.files import original_response
from proofs.models import Proof
from proofs.selectors import get_proof, visible_proofs
from proofs.services import evidence, reads, submissions
from proofs.services.decisions import APPROVE_COMMAND, decide_proof, request_info
from proofs.services.evidence import Evidence, Sent

ANYONE = frozenset(Scope)


class ProofViewSet(JudgesFiles, KobatelaViewSet):
    """Evidence for milestones."""

    parser_classes = (ExactJSONParser, FileFormParser)
    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": frozenset({Scope.SENDER, Scope.PROVIDER}),
        "list": ANYONE,
        "retrieve": ANYONE,
        "file": ANYONE,
        "decision": frozenset({Scope.SUPPORT, Scope.ADMIN, Scope.SENDER}),
        "request_info": frozenset({Scope.SUPPORT, Scope.ADMIN}),
    }
    simulatable = frozenset({"decision"})
    body: Mapping[str, Any]
    evidence: Evidence

    def prepare(self, request: Request, **kwargs: Any) -> None:
        """Apply a deadline that has passed; read, judge and keep the file that was sent."""
        if self.action == "create":
            self.body = self.valid(ProofIn)
            self.judge(self._prepare_evidence)
        else:
            proof = get_proof(self.caller, kwargs["proof_id"])
            deadlines.apply_due(escrow_id=proof.escrow_id)

    @extend_schema(request=ProofIn, responses={201: ProofOut})
    def create(self, request: Request) -> Response:
        """Submit a proof for the current milestone of an escrow."""
        self.require_judged()
        body = self.body
        proof = submissions.submit_proof(
            caller=self.caller,
            escrow_id=body["escrow_id"],
            milestone_idx=body["milestone_idx"],
            proof_type=body["type"],
            evidence=self.evidence,
            metadata=body.get("metadata") or {},
        )
        self.keep_on_commit()
        return Response(ProofOut(proof, context=self.get_serializer_context()).data, status=201)

    @extend_schema(parameters=[ProofFilters], responses=ProofOut(many=True))
    def list(self, request: Request) -> Response:
        """The proofs that the caller may see, newest first."""
        return self.page(visible_proofs(self.caller).filter(**self.filters(ProofFilters)), ProofOut)

    @extend_schema(responses=ProofOut)
    def retrieve(self, request: Request, proof_id: int) -> Response:
        """One proof."""
        proof = get_proof(self.caller, proof_id)
        reads.record_read(caller=self.caller, proof=proof, action=Action.PROOF_READ)
        return Response(self._shown(proof))

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def file(self, request: Request, proof_id: int) -> FileResponse:
        """The original file, to be saved."""
        proof = get_proof(self.caller, proof_id)
        if proof.upload is None:
            raise ProofFileNotFound
        reads.record_read(caller=self.caller, proof=proof, action=Action.PROOF_FILE_READ)
        return original_response(proof, proof.upload)

    @extend_schema(request=DecisionIn, responses=ProofOut)
    def decision(self, request: Request, proof_id: int) -> Response:
        """Approve or reject a proof."""
        body = self.valid(DecisionIn)
        decided = decide_proof(
            caller=self.caller,
            proof_id=proof_id,
            decision=body["decision"],
            note=body["note"] or "",
        )
        return Response(self._shown(decided.proof))

    @extend_schema(request=RequestInfoIn, responses=ProofOut)
    def request_info(self, request: Request, proof_id: int) -> Response:
        """Ask the provider for more."""
        note = self.valid(RequestInfoIn)["note"]
        proof = request_info(caller=self.caller, proof_id=proof_id, note=note)
        return Response(self._shown(proof))

    def _prepare_evidence(self) -> None:
        body = self.body
        file = body.get("file")
        deadlines.apply_due_for(caller=self.caller, escrow_id=body["escrow_id"])
        milestone = open_milestone(
            caller=self.caller,
            escrow_id=body["escrow_id"],
            milestone_idx=body["milestone_idx"],
        )
        sent = Sent(
            arrived_at=clock.now(),
            file=file,
            upload_id=body.get("upload_id"),
            claimed_url=body.get("storage_url", ""),
            sha256=body.get("sha256", ""),
        )
        self.evidence = evidence.gather(
            sent=sent,
            proof_type=body["type"],
            terms=evidence.terms_of(milestone),
            caller=self.caller,
        )
        if file is not None:
            self.stored = files.keep(file=file, media_type=self.evidence.media_type)
            self.evidence = replace(self.evidence, stored=self.stored)

    def _shown(self, proof: Proof) -> Any:
        state = approvals.approval_state(f"proof:{proof.pk}", APPROVE_COMMAND)
        context = {**self.get_serializer_context(), "approvals": {proof.pk: state}}
        return ProofOut(proof, context=context).data
