"""What the advisor said stays as it was said; and its one state is there from the start."""

from django.db import migrations

GUARDS = """
CREATE TRIGGER advice_stays BEFORE UPDATE ON proofs_advicerun FOR EACH ROW
    WHEN (OLD.status <> 'running' OR (OLD.proof_id, OLD.started_at)
       IS DISTINCT FROM (NEW.proof_id, NEW.started_at))
    EXECUTE FUNCTION proofs_refuse_change();
CREATE TRIGGER advice_no_delete BEFORE DELETE ON proofs_advicerun
    FOR EACH ROW EXECUTE FUNCTION proofs_refuse_change();
CREATE TRIGGER advice_no_truncate BEFORE TRUNCATE ON proofs_advicerun
    FOR EACH STATEMENT EXECUTE FUNCTION proofs_refuse_change();
REVOKE DELETE, TRUNCATE ON proofs_advicerun FROM kobatela_app;
"""
DROP_GUARDS = """
GRANT DELETE, TRUNCATE ON proofs_advicerun TO kobatela_app;
DROP TRIGGER advice_no_truncate ON proofs_advicerun;
DROP TRIGGER advice_no_delete ON proofs_advicerun;
DROP TRIGGER advice_stays ON proofs_advicerun;
"""


def make_state(apps, schema_editor):
    """The row that every process locks: nobody has to make it at the worst moment."""
    state = apps.get_model("proofs", "AdvisorState")
    state.objects.using(schema_editor.connection.alias).create(name="ai")


class Migration(migrations.Migration):
    """Triggers that hold whatever the code does."""

    dependencies = [("proofs", "0003_advice")]
    operations = [
        migrations.RunSQL(GUARDS, DROP_GUARDS),
        migrations.RunPython(make_state, migrations.RunPython.noop),
    ]
