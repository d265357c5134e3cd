"""What development and tests fill in for themselves: servers and secrets of this checkout."""

from kobatela.embedded import ensure_postgres, ensure_valkey, var_dir
from kobatela.embedded.local_secrets import local_secret
from kobatela.settings.environment import env


def local_values() -> dict[str, str]:
    """Values for variables that are not set; starts the embedded servers that are needed."""
    var = var_dir()
    values = {
        "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
        "SECRET_KEY": local_secret(var, "secret_key"),
        "API_KEY_PEPPER": local_secret(var, "api_key_pepper"),
        "PSP_WEBHOOK_SECRET": local_secret(var, "psp_webhook_secret"),
    }
    if not env.is_set("DATABASE_URL"):
        postgres = ensure_postgres(var)
        values["DATABASE_URL"] = postgres.app_url()
        values["DATABASE_OWNER_URL"] = postgres.owner_url()
    if not env.is_set("REDIS_URL"):
        values["REDIS_URL"] = ensure_valkey(var).url
    return values
