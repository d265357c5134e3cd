"""The function that appends, and the guards that let nothing be changed afterwards."""

from django.db import migrations

APPEND = """
CREATE FUNCTION audit_append(
    p_stream text, p_at timestamptz, p_actor text, p_on_behalf_of bigint, p_action text,
    p_subject text, p_request_id text, p_body text, p_event text, p_audience bigint[])
RETURNS TABLE (entry_id bigint, entry_seq bigint, entry_transaction bigint)
LANGUAGE plpgsql AS $$
DECLARE
    -- An xid8 counts on after the 32 bits of xid wrap; as text it goes into a bigint.
    v_transaction CONSTANT bigint := pg_current_xact_id()::text::bigint;
    v_seq bigint;
    v_id bigint;
BEGIN
    -- The row lock is held until commit, so the numbers of one stream are given out one by one
    -- and a rolled back entry gives its number back.
    INSERT INTO audit_auditstream AS counter (stream, last_seq) VALUES (p_stream, 1)
        ON CONFLICT (stream) DO UPDATE SET last_seq = counter.last_seq + 1
        RETURNING counter.last_seq INTO v_seq;
    INSERT INTO audit_auditentry (transaction_id, stream, stream_seq, at, actor, on_behalf_of,
                                  action, subject, request_id, body)
        VALUES (v_transaction, p_stream, v_seq, p_at, p_actor, p_on_behalf_of,
                p_action, p_subject, p_request_id, p_body)
        RETURNING id INTO v_id;
    IF p_event IS NOT NULL THEN
        INSERT INTO audit_outboxevent (transaction_id, entry_id, event, subject, audience, body,
                                       created_at)
            VALUES (v_transaction, v_id, p_event, p_subject, p_audience, p_body, p_at);
    END IF;
    RETURN QUERY SELECT v_id, v_seq, v_transaction;
END
$$;
"""
DROP_APPEND = """
DROP FUNCTION audit_append(text, timestamptz, text, bigint, text, text, text, text, text, bigint[]);
"""

GUARDS = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are never changed: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_entry_no_change BEFORE UPDATE OR DELETE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
-- A counter may only count on; without its row a deleted tail of a stream would not show.
CREATE TRIGGER audit_stream_no_delete BEFORE DELETE ON audit_auditstream
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_stream_no_truncate BEFORE TRUNCATE ON audit_auditstream
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
REVOKE UPDATE, DELETE, TRUNCATE ON audit_auditentry FROM kobatela_app;
REVOKE DELETE, TRUNCATE ON audit_auditstream FROM kobatela_app;
"""
DROP_GUARDS = """
GRANT UPDATE, DELETE, TRUNCATE ON audit_auditentry TO kobatela_app;
GRANT DELETE, TRUNCATE ON audit_auditstream TO kobatela_app;
DROP TRIGGER audit_stream_no_truncate ON audit_auditstream;
DROP TRIGGER audit_stream_no_delete ON audit_auditstream;
DROP TRIGGER audit_entry_no_truncate ON audit_auditentry;
DROP TRIGGER audit_entry_no_change ON audit_auditentry;
DROP FUNCTION audit_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [
        migrations.RunSQL(APPEND, DROP_APPEND),
        migrations.RunSQL(GUARDS, DROP_GUARDS),
    ]
