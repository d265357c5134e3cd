"""Settings shared by every environment. Read once; no secret has a default."""

from pathlib import Path

import django_stubs_ext
import environ

django_stubs_ext.monkeypatch()

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = Path(env.str("KOBATELA_VAR_DIR", default=str(BASE_DIR / "var")))

# --- Applications -------------------------------------------------------------------------------
INSTALLED_APPS = [
    "kobatela.console.apps.ConsoleSiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "kobatela.rest",
    "audit",
    "kobatela.accounts",
    "kobatela.uploads",
    "payments.ledger",
    "payments",
    "escrow",
    "proofs",
    "spend",
    "kobatela.console",
    "kobatela.api",
]
MIDDLEWARE = [
    "kobatela.api.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "kobatela.urls"
WSGI_APPLICATION = "kobatela.wsgi.application"
APPEND_SLASH = False
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"

# --- API ----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["kobatela.accounts.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["kobatela.rest.scopes.ScopeGate"],
    "DEFAULT_PARSER_CLASSES": ["kobatela.rest.parsers.ExactJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "kobatela.api.openapi.KobatelaSchema",
    "EXCEPTION_HANDLER": "kobatela.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

# --- Domain -------------------------------------------------------------------------------------
KOBATELA_CURRENCIES = env.list("KOBATELA_CURRENCIES", default=["EUR", "USD", "GBP", "XOF", "XAF"])
