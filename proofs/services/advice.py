"""Whether proofs get the advisor's word, and handing them over to it."""

from django.conf import settings

from audit.services.switches import SwitchName, is_on
from kobatela.kernel import clock
from proofs import bells
from proofs.models import Proof
from proofs.states import Processing


def is_asked() -> bool:
    """Whether new proofs get advice: the advisor is set up and nobody has switched it off."""
    return settings.AI_PROOF_ADVISOR_ENABLED and is_on(SwitchName.AI)


def hand_over(*, proof: Proof) -> None:
    """The machine's own checks of a locked proof are over: on to the advisor, or done without one.

    For the reading of documents, which calls it in its own transaction when `processing` is
    CHECKING. Saves the state and rings the bell. `processing_since` stays: the ten minutes for
    which a decision waits began when the proof came.
    """
    is_next = is_asked() and proof.upload_id is not None
    proof.processing_to(Processing.ADVISING if is_next else Processing.DONE)
    proof.updated_at = clock.now()
    proof.save(update_fields=["processing", "updated_at"])
    if is_next:
        bells.ring_for_advice(proof.pk)
