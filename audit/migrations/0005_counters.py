from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0004_alert_types'),
    ]

    operations = [
        migrations.CreateModel(
            name='Counter',
            fields=[
                ('name', models.CharField(max_length=60, primary_key=True, serialize=False)),
                ('value', models.BigIntegerField()),
            ],
        ),
    ]
