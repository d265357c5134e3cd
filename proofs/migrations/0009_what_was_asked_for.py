"""What came because more was asked for; and what is asked for already can come from now on."""

import django.db.models.deletion
from django.db import migrations, models

GUARD = """
CREATE TRIGGER proof_replaces_stays BEFORE UPDATE ON proofs_proof FOR EACH ROW
    WHEN (OLD.replaces_id IS DISTINCT FROM NEW.replaces_id)
    EXECUTE FUNCTION proofs_refuse_change();
"""
DROP_GUARD = "DROP TRIGGER proof_replaces_stays ON proofs_proof;"
ASKED_ALREADY = """
UPDATE escrow_milestone milestone
SET more_asked_at = proof.info_requested_at,
    more_asked_of_client = COALESCE(proof.submitted_for_id = proof.client_id, false)
FROM proofs_proof proof
WHERE proof.milestone_id = milestone.id AND proof.status = 'PENDING'
  AND proof.info_requested_at IS NOT NULL AND milestone.status = 'PENDING_REVIEW';
"""


class Migration(migrations.Migration):

    dependencies = [("escrow", "0005_more_asked"), ("proofs", "0008_reread_asked")]

    operations = [
        migrations.AddField(
            model_name="proof",
            name="replaces",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="proofs.proof",
            ),
        ),
        migrations.RunSQL(GUARD, DROP_GUARD),
        migrations.RunSQL(ASKED_ALREADY, migrations.RunSQL.noop),
    ]
