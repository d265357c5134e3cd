"""The paths of proofs."""

from django.urls import path

from proofs.api.views import ProofViewSet

urlpatterns = [
    path("proofs", ProofViewSet.as_view({"get": "list", "post": "create"}), name="proof-list"),
    path("proofs/<int:proof_id>", ProofViewSet.as_view({"get": "retrieve"}), name="proof-detail"),
    path("proofs/<int:proof_id>/file", ProofViewSet.as_view({"get": "file"}), name="proof-file"),
    path(
        "proofs/<int:proof_id>/decision",
        ProofViewSet.as_view({"post": "decision"}),
        name="proof-decision",
    ),
    path(
        "proofs/<int:proof_id>/request-info",
        ProofViewSet.as_view({"post": "request_info"}),
        name="proof-request-info",
    ),
]
