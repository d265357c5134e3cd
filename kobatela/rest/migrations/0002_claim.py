"""Taking an idempotency key and reading its answer in one round trip."""

from django.db import migrations

# The function is volatile and plpgsql, so the SELECT sees what was committed up to the moment
# the lock was granted: whoever held the key before has left the answer to be found.
_CREATE = """
CREATE FUNCTION rest_claim_idempotency_key(p_scope text, p_key text, p_now timestamptz)
RETURNS TABLE (granted boolean, fingerprint bytea, status smallint, body bytea)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    granted := pg_try_advisory_xact_lock(hashtextextended(p_scope || ' ' || p_key, 7301));
    IF granted THEN
        SELECT record.fingerprint, record.status, record.body
        INTO fingerprint, status, body
        FROM kobatela_rest_idempotencyrecord AS record
        WHERE record.scope = p_scope AND record.key = p_key AND record.expires_at > p_now;
    END IF;
    RETURN NEXT;
END $$;
"""
_DROP = "DROP FUNCTION rest_claim_idempotency_key(text, text, timestamptz);"


class Migration(migrations.Migration):
    dependencies = [("kobatela_rest", "0001_initial")]
    operations = [migrations.RunSQL(_CREATE, _DROP)]
