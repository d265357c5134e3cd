from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("proofs", "0006_photos_by_time")]

    operations = [
        migrations.AddIndex(
            model_name="proof",
            index=models.Index(
                condition=models.Q(("captured_at__isnull", False)),
                fields=["captured_at"],
                name="proof_taken_at",
            ),
        ),
    ]
