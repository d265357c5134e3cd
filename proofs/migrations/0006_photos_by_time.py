from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("proofs", "0005_document_readings")]

    operations = [
        migrations.AddIndex(
            model_name="proof",
            index=models.Index(
                condition=models.Q(("captured_at__isnull", False)),
                fields=["provider", "captured_at"],
                name="proof_taken_by_provider",
            ),
        ),
    ]
