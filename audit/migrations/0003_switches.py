"""A row for every switch, so that the console can show and set it."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from kobatela.kernel import clock

# As audit.services.switches says; a later change there does not change these rows.
INITIAL = {"machine_approval": True, "payouts_paused": False, "ai": True, "ocr": True}


def create_switches(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    switches = apps.get_model("audit", "Switch").objects.using(schema_editor.connection.alias)
    for name, is_on in INITIAL.items():
        switches.create(
            name=name, is_on=is_on, set_by="system:install", updated_at=clock.now()
        )


def delete_switches(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    switches = apps.get_model("audit", "Switch").objects.using(schema_editor.connection.alias)
    switches.filter(name__in=INITIAL).delete()


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [migrations.RunPython(create_switches, delete_switches)]
