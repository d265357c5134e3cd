from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("proofs", "0007_photos_of_one_second")]

    operations = [
        migrations.AddField(
            model_name="proof",
            name="reread_asked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="proof",
            name="reread_asked_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=80),
        ),
        migrations.AddConstraint(
            model_name="proof",
            constraint=models.CheckConstraint(
                condition=models.Q(("reread_asked_at__isnull", True), ("reread_asked_by", ""))
                | models.Q(("reread_asked_at__isnull", False))
                & ~models.Q(("reread_asked_by", ""))
                & ~models.Q(("processing__in", ["queued", "reading"])),
                name="proof_reread_asked_by_someone",
            ),
        ),
    ]
