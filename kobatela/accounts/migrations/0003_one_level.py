"""Managing is one level deep, whatever writes the row."""

from django.db import migrations

ONE_LEVEL = """
CREATE FUNCTION accounts_one_level() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM accounts_user WHERE id = NEW.managed_by_id AND managed_by_id IS NOT NULL)
       OR EXISTS (SELECT FROM accounts_user WHERE managed_by_id = NEW.id) THEN
        RAISE EXCEPTION 'managing is one level deep' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER accounts_user_one_level BEFORE INSERT OR UPDATE OF managed_by_id ON accounts_user
    FOR EACH ROW WHEN (NEW.managed_by_id IS NOT NULL) EXECUTE FUNCTION accounts_one_level();
"""
DROP = """
DROP TRIGGER accounts_user_one_level ON accounts_user;
DROP FUNCTION accounts_one_level();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_staff_groups")]
    operations = [migrations.RunSQL(ONE_LEVEL, DROP)]
