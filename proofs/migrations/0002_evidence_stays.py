"""What was sent as evidence, and what was decided about it, stays as it was."""

from django.db import migrations

GUARDS = """
CREATE FUNCTION proofs_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'evidence is never changed: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER proof_evidence_stays BEFORE UPDATE ON proofs_proof FOR EACH ROW
    WHEN ((OLD.escrow_id, OLD.milestone_id, OLD.client_id, OLD.provider_id, OLD.amount_minor,
           OLD.currency, OLD.type, OLD.upload_id, OLD.file_sha256, OLD.claimed_url,
           OLD.claimed_sha256, OLD.metadata, OLD.submitted_by_id, OLD.submitted_for_id,
           OLD.submitted_actor, OLD.came_by_link, OLD.received_at, OLD.created_at)
       IS DISTINCT FROM
          (NEW.escrow_id, NEW.milestone_id, NEW.client_id, NEW.provider_id, NEW.amount_minor,
           NEW.currency, NEW.type, NEW.upload_id, NEW.file_sha256, NEW.claimed_url,
           NEW.claimed_sha256, NEW.metadata, NEW.submitted_by_id, NEW.submitted_for_id,
           NEW.submitted_actor, NEW.came_by_link, NEW.received_at, NEW.created_at))
    EXECUTE FUNCTION proofs_refuse_change();
CREATE TRIGGER proof_decision_stays BEFORE UPDATE ON proofs_proof FOR EACH ROW
    WHEN (OLD.status <> 'PENDING'
      AND (OLD.status, OLD.decided_by, OLD.decided_for_id, OLD.decided_at, OLD.decision_note)
       IS DISTINCT FROM
          (NEW.status, NEW.decided_by, NEW.decided_for_id, NEW.decided_at, NEW.decision_note))
    EXECUTE FUNCTION proofs_refuse_change();
CREATE TRIGGER proof_no_delete BEFORE DELETE ON proofs_proof
    FOR EACH ROW EXECUTE FUNCTION proofs_refuse_change();
CREATE TRIGGER proof_no_truncate BEFORE TRUNCATE ON proofs_proof
    FOR EACH STATEMENT EXECUTE FUNCTION proofs_refuse_change();
REVOKE DELETE, TRUNCATE ON proofs_proof FROM kobatela_app;
"""
DROP_GUARDS = """
GRANT DELETE, TRUNCATE ON proofs_proof TO kobatela_app;
DROP TRIGGER proof_no_truncate ON proofs_proof;
DROP TRIGGER proof_no_delete ON proofs_proof;
DROP TRIGGER proof_decision_stays ON proofs_proof;
DROP TRIGGER proof_evidence_stays ON proofs_proof;
DROP FUNCTION proofs_refuse_change();
"""


class Migration(migrations.Migration):
    """Triggers that hold whatever the code does."""

    dependencies = [("proofs", "0001_initial")]
    operations = [migrations.RunSQL(GUARDS, DROP_GUARDS)]
