"""Settings shared by every environment. Read once; no secret has a default."""

from pathlib import Path
from typing import Any

import django_stubs_ext
from kombu import Queue

from kobatela.settings.amounts import amounts_minor
from kobatela.settings.environment import env

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = Path(env.str("KOBATELA_VAR_DIR", default=str(BASE_DIR / "var"))).resolve()

# --- Secrets and hosts --------------------------------------------------------------------------
DEBUG = False
SECRET_KEY = env.secret("SECRET_KEY")
API_KEY_PEPPER = env.secret("API_KEY_PEPPER")
# Known in every environment so that its use can be refused by name; it opens dev only.
DEV_API_KEY = env.secret("DEV_API_KEY", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])

# --- Applications -------------------------------------------------------------------------------
INSTALLED_APPS = [
    # Before the admin, whose templates it replaces.
    "kobatela.console.apps.ConsoleConfig",
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
    "kobatela.api",
]
MIDDLEWARE = [
    "kobatela.api.middleware.RequestIdMiddleware",
    "kobatela.api.middleware.DatabaseWatchMiddleware",
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

# --- Database -----------------------------------------------------------------------------------
# The application role; a statement that waits or runs too long fails instead of piling up.
_LOCK_TIMEOUT_S = env.int("DATABASE_LOCK_TIMEOUT_S", default=5)
_STATEMENT_TIMEOUT_S = env.int("DATABASE_STATEMENT_TIMEOUT_S", default=30)
DATABASES = {"default": env.database("DATABASE_URL")}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    options=f"-c lock_timeout={_LOCK_TIMEOUT_S}s -c statement_timeout={_STATEMENT_TIMEOUT_S}s"
    " -c idle_in_transaction_session_timeout=60s",
    # Repeated statements are parsed and planned once per connection. A pooler between us and the
    # database must keep sessions (PgBouncer: session mode, or 1.21 and later).
    server_side_binding=True,
    prepare_threshold=2,
    pool={
        "min_size": 1,
        "max_size": env.int("DATABASE_POOL_SIZE", default=16),
        "timeout": 10,
    },
)
# The owner role, for migrations (`manage.py migrate --database owner`); the web needs none.
if env.secret("DATABASE_OWNER_URL", default=""):
    DATABASES["owner"] = env.database("DATABASE_OWNER_URL")
    DATABASES["owner"].setdefault("OPTIONS", {})

# --- Redis, Celery ------------------------------------------------------------------------------
# The broker only rings the bell, so losing a message costs time, never work; and a web request
# must not wait for a broker that is down.
REDIS_URL = env.secret("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},
    }
}
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# What takes long has a queue, and a worker, of its own: a slow OCR never delays a payout, nor a
# slow advisor either of them. A worker that is told no queues serves them all.
KOBATELA_QUEUES = ("default", "payments", "documents", "advice")
CELERY_TASK_QUEUES = [Queue(name) for name in KOBATELA_QUEUES]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "payments.tasks.*": {"queue": "payments"},
    "proofs.tasks.read_document": {"queue": "documents"},
    "proofs.tasks.reread_document": {"queue": "documents"},
    "proofs.tasks.render_pages": {"queue": "documents"},
    "proofs.tasks.advise": {"queue": "advice"},
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# Off: no beat runs here and nothing recurs; health says so.
KOBATELA_SCHEDULER_ENABLED = env.bool("KOBATELA_SCHEDULER_ENABLED", default=True)

# --- Logs ---------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "kobatela.settings.logs.JsonFormatter"},
        "text": {"()": "kobatela.settings.logs.TextFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env.one_of("LOG_FORMAT", ("json", "text"), default="json"),
        }
    },
    "root": {
        "handlers": ["console"],
        "level": env.one_of(
            "LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), default="INFO"
        ),
    },
    # Django's own handlers would print each line a second time, and not as JSON.
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # Its library would tell of every call, and at DEBUG what was sent and answered.
        "stripe": {"level": "WARNING"},
        "openai": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "boto3": {"level": "WARNING"},
        "botocore": {"level": "WARNING"},
        "s3transfer": {"level": "WARNING"},
    },
}

# --- Pages --------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "kobatela.console.formats"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("KOBATELA_STATIC_DIR", default=str(VAR_DIR / "static"))).resolve()
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Names with a hash of the content: a browser never shows yesterday's style sheet.
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
MEDIA_ROOT = VAR_DIR / "media"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

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

# --- rest, api ----------------------------------------------------------------------------------
# Requests per minute and key, and per minute and address; refused keys per minute and address.
KOBATELA_THROTTLE_PER_MINUTE = env.int("KOBATELA_THROTTLE_PER_MINUTE", default=60_000)
KOBATELA_THROTTLE_FAILURES_PER_MINUTE = env.int(
    "KOBATELA_THROTTLE_FAILURES_PER_MINUTE", default=300
)
# How many proxies in front of the web server write X-Forwarded-For; 0 believes none.
KOBATELA_TRUSTED_PROXIES = env.int("KOBATELA_TRUSTED_PROXIES", default=0)
KOBATELA_JSON_MAX_BYTES = env.int("KOBATELA_JSON_MAX_BYTES", default=1_048_576)
# A form with the largest file (PDF, 25 MB) and its fields.
KOBATELA_UPLOAD_MAX_BYTES = env.int("KOBATELA_UPLOAD_MAX_BYTES", default=26 * 1_048_576)
# Without a key of staff; production makes it false.
KOBATELA_METRICS_PUBLIC = env.bool("KOBATELA_METRICS_PUBLIC", default=True)
KOBATELA_DOCS_ENABLED = env.bool("KOBATELA_DOCS_ENABLED", default=True)
CORS_ALLOW_HEADERS = [
    "authorization",
    "content-type",
    "idempotency-key",
    "x-api-key",
    "x-on-behalf-of",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = ["Idempotent-Replayed", "Retry-After", "X-Request-ID"]
CORS_ALLOW_METHODS = ["DELETE", "GET", "PATCH", "POST", "PUT"]
SPECTACULAR_SETTINGS = {
    "TITLE": "Kobatela",
    "DESCRIPTION": "Money is held until there is proof.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    # Enums stay where they are used: a name for each would have to be kept by hand.
    "POSTPROCESSING_HOOKS": [],
}

# --- Ground: audit and accounts -----------------------------------------------------------------
# What must survive a rollback (refusals, denials) is written over a connection of its own. Tests
# run inside one transaction and see both sides on one connection.
DATABASES["apart"] = {
    **DATABASES["default"],
    "OPTIONS": {
        **DATABASES["default"]["OPTIONS"],
        "pool": {"min_size": 0, "max_size": 4, "timeout": 10},
    },
    "TEST": {"MIRROR": "default"},
}
AUDIT_APART_DATABASE = "apart"
# A job that has not shown life for this long may be taken over.
KOBATELA_JOB_LOCK_BACKEND = env.one_of(
    "KOBATELA_JOB_LOCK_BACKEND", ("database", "redis"), default="database"
)
JOB_LOCK_HOLD_S = env.int("KOBATELA_JOB_LOCK_HOLD_S", default=120)
AUTHENTICATION_BACKENDS = ["kobatela.accounts.backends.StaffBackend"]
# From these amounts on (not including them) two people approve; a currency without a figure always.
KOBATELA_FOUR_EYES_MIN_MINOR = amounts_minor(
    "KOBATELA_FOUR_EYES_MIN",
    "EUR=10000.00,USD=10000.00,GBP=10000.00,XOF=6000000,XAF=6000000",
)

# --- Uploads and proofs -------------------------------------------------------------------------
# Private: no web server shows this folder. What arrives lies in it until it is judged; what is kept
# too (then web and worker share it), unless it goes to a bucket.
KOBATELA_FILES_DIR = Path(env.str("KOBATELA_FILES_DIR", default=str(VAR_DIR / "private"))).resolve()
KOBATELA_FILES_STORAGE = env.one_of("KOBATELA_FILES_STORAGE", ("local", "s3"), default="local")
KOBATELA_S3_BUCKET = env.str("KOBATELA_S3_BUCKET", default="")
KOBATELA_S3_ENDPOINT_URL = env.str("KOBATELA_S3_ENDPOINT_URL", default="")
KOBATELA_S3_REGION = env.str("KOBATELA_S3_REGION", default="")
KOBATELA_S3_ACCESS_KEY_ID = env.secret("KOBATELA_S3_ACCESS_KEY_ID", default="")
KOBATELA_S3_SECRET_ACCESS_KEY = env.secret("KOBATELA_S3_SECRET_ACCESS_KEY", default="")
STORAGES["evidence"] = {"BACKEND": "kobatela.uploads.private_folder.PrivateFolder"}
if KOBATELA_FILES_STORAGE == "s3":
    STORAGES["evidence"] = {
        "BACKEND": "kobatela.uploads.private_bucket.PrivateBucket",
        "OPTIONS": {
            "bucket_name": KOBATELA_S3_BUCKET,
            "endpoint_url": KOBATELA_S3_ENDPOINT_URL,
            "region_name": KOBATELA_S3_REGION,
            "access_key": KOBATELA_S3_ACCESS_KEY_ID,
            "secret_key": KOBATELA_S3_SECRET_ACCESS_KEY,
        },
    }
KOBATELA_FILE_MAX_BYTES = env.int("KOBATELA_FILE_MAX_BYTES", default=25 * 1_048_576)
KOBATELA_FILE_MAX_IMAGE_BYTES = env.int("KOBATELA_FILE_MAX_IMAGE_BYTES", default=15 * 1_048_576)
# Every uploaded file goes to disk and through the hash, piece by piece.
FILE_UPLOAD_HANDLERS = ["kobatela.uploads.quarantine.QuarantineUploadHandler"]
DATA_UPLOAD_MAX_NUMBER_FILES = 4
# A machine approves up to this amount, and up to the day's sum per escrow and per provider; in a
# currency without a figure never.
_AUTO_APPROVE_MAX = "EUR=2000.00,USD=2000.00,GBP=2000.00,XOF=1000000,XAF=1000000"
KOBATELA_AUTO_APPROVE_MAX_MINOR = amounts_minor("KOBATELA_AUTO_APPROVE_MAX", _AUTO_APPROVE_MAX)
KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR = {
    currency: 5 * amount_minor for currency, amount_minor in KOBATELA_AUTO_APPROVE_MAX_MINOR.items()
} | amounts_minor("KOBATELA_AUTO_APPROVE_DAY_MAX", "")
# The share (0 to 1) of what a machine could approve that is drawn for a person all the same.
KOBATELA_REVIEW_SAMPLE = env.float("KOBATELA_REVIEW_SAMPLE", default=0.0)

# Documents are read from their own XML and text whatever this says; OCR is for scans and photos.
INVOICE_OCR_ENABLED = env.bool("INVOICE_OCR_ENABLED", default=True)
INVOICE_OCR_PROVIDER = env.one_of(
    "INVOICE_OCR_PROVIDER", ("rapidocr", "tesseract", "none"), default="rapidocr"
)
# Whether a scan that leaves doubt is read by the other engine as well, where that is installed.
INVOICE_OCR_SECOND_OPINION = env.bool("INVOICE_OCR_SECOND_OPINION", default=True)
# How many pages without text of their own OCR looks at; a person is told of the others.
OCR_MAX_PAGES = env.int("OCR_MAX_PAGES", default=5)
# CPU time that reading of one document may take, with all turning and both engines; and what it may
# take where a member of staff asks for it to be read again.
OCR_BUDGET_SECONDS = env.float("OCR_BUDGET_SECONDS", default=17.0)
OCR_REREAD_SECONDS = env.float("OCR_REREAD_SECONDS", default=90.0)

# --- AI advisor ---------------------------------------------------------------------------------
# Off by default. On, every photo waits for the model's word, which can only add a reason to hold.
AI_PROOF_ADVISOR_ENABLED = env.bool("AI_PROOF_ADVISOR_ENABLED", default=False)
AI_PROOF_ADVISOR_MODEL = env.str("AI_PROOF_ADVISOR_MODEL", default="gpt-4.1-mini")
OPENAI_API_KEY = env.secret("OPENAI_API_KEY", default="")
# Any server that speaks OpenAI's chat completions with structured output.
AI_BASE_URL = env.str("AI_BASE_URL", default="https://api.openai.com/v1")
# For one try; there are three at most.
AI_PROOF_TIMEOUT_SECONDS = env.float("AI_PROOF_TIMEOUT_SECONDS", default=20.0)
AI_PROOF_MAX_IMAGE_RESOLUTION_X = env.int("AI_PROOF_MAX_IMAGE_RESOLUTION_X", default=1280)
AI_PROOF_MAX_IMAGE_RESOLUTION_Y = env.int("AI_PROOF_MAX_IMAGE_RESOLUTION_Y", default=1280)
AI_PROOF_MAX_PDF_PAGES = env.int("AI_PROOF_MAX_PDF_PAGES", default=5)
# So many failures in a row open the breaker; after so many seconds one call tries again.
AI_BREAKER_FAILURES = env.int("AI_BREAKER_FAILURES", default=5)
AI_BREAKER_OPEN_SECONDS = env.int("AI_BREAKER_OPEN_SECONDS", default=60)

# --- Escrow -------------------------------------------------------------------------------------
# The platform's fee on every release, in hundredths of a percent.
KOBATELA_FEE_BPS = env.int("KOBATELA_FEE_BPS", default=0)
# How long a PSP may hold money before a person has to look at it.
KOBATELA_PSP_HOLD_DAYS = env.int("KOBATELA_PSP_HOLD_DAYS", default=90)

# --- Payments -----------------------------------------------------------------------------------
# Who pays out and collects: the local sandbox, Stripe, or nobody (people, by hand) with `manual`.
KOBATELA_PSP = env.one_of("KOBATELA_PSP", ("fake", "stripe", "manual"), default="fake")
FAKE_PSP_URL = env.str("FAKE_PSP_URL", default="http://127.0.0.1:8100")
# How long a call to a PSP may take; after that its outcome is unknown and is looked up.
KOBATELA_PSP_TIMEOUT_S = env.float("KOBATELA_PSP_TIMEOUT_S", default=30.0)
# How long one worker has a payment for itself; longer than any call, or two would make it.
KOBATELA_PAYMENT_LEASE_S = env.int("KOBATELA_PAYMENT_LEASE_S", default=120)
# The file with all active secrets is read at every webhook, so a rotation needs no restart.
PSP_WEBHOOK_SECRETS_FILE = env.str("PSP_WEBHOOK_SECRETS_FILE", default="")
PSP_WEBHOOK_SECRET = env.secret("PSP_WEBHOOK_SECRET", default="")
PSP_WEBHOOK_SECRET_NEXT = env.secret("PSP_WEBHOOK_SECRET_NEXT", default="")
PSP_WEBHOOK_MAX_DRIFT_SECONDS = env.int("PSP_WEBHOOK_MAX_DRIFT_SECONDS", default=300)
# How long a new destination waits before anything is paid to it; production makes it a day.
KOBATELA_DESTINATION_COOLING_S = env.int("KOBATELA_DESTINATION_COOLING_S", default=0)
# How long a collector may take to pay a refund back before staff hears of it.
KOBATELA_EXTERNAL_REFUND_DAYS = env.int("KOBATELA_EXTERNAL_REFUND_DAYS", default=7)
# How long a member of staff is no second person after somebody else gave them access; production
# makes it a day.
KOBATELA_STAFF_ACCESS_COOLING_S = env.int("KOBATELA_STAFF_ACCESS_COOLING_S", default=0)
# Whether a payment waits until the PSP that makes it holds the money; in production it always does.
KOBATELA_REQUIRE_COVERAGE = env.bool("KOBATELA_REQUIRE_COVERAGE", default=False)

# --- Payments: Stripe ---------------------------------------------------------------------------
# Enabled means that calls and webhooks are made and taken; KOBATELA_PSP says who gets new orders.
STRIPE_ENABLED = env.bool("STRIPE_ENABLED", default=False)
STRIPE_CONNECT_ENABLED = env.bool("STRIPE_CONNECT_ENABLED", default=False)
STRIPE_SECRET_KEY = env.secret("STRIPE_SECRET_KEY", default="")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com")
STRIPE_WEBHOOK_SECRETS_FILE = env.str("STRIPE_WEBHOOK_SECRETS_FILE", default="")
STRIPE_WEBHOOK_SECRET = env.secret("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_WEBHOOK_SECRET_NEXT = env.secret("STRIPE_WEBHOOK_SECRET_NEXT", default="")
# The country of a payee who names none, and the pages that Stripe's onboarding leads back to.
STRIPE_CONNECT_COUNTRY = env.str("STRIPE_CONNECT_COUNTRY", default="FR")
STRIPE_CONNECT_RETURN_URL = env.str("STRIPE_CONNECT_RETURN_URL", default="")
STRIPE_CONNECT_REFRESH_URL = env.str("STRIPE_CONNECT_REFRESH_URL", default="")
