"""Production: only tightens what base.py says."""

from kobatela.settings import require_environment
from kobatela.settings.environment import env

KOBATELA_ENV = require_environment("production")

from kobatela.settings.base import *  # noqa: E402 - after the check above

SECURE_SSL_REDIRECT = True
# Probes come from inside, without TLS, and learn nothing.
SECURE_REDIRECT_EXEMPT = [r"^health/(live|ready)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# How much is paid and how often is nobody's business but the installation's.
KOBATELA_METRICS_PUBLIC = env.bool("KOBATELA_METRICS_PUBLIC", default=False)
# Whoever takes over an account must not be paid before its owner can notice.
KOBATELA_DESTINATION_COOLING_S = env.int("KOBATELA_DESTINATION_COOLING_S", default=24 * 3600)
# Nobody is two people by setting a colleague's password; the colleague has a day to notice.
KOBATELA_STAFF_ACCESS_COOLING_S = max(
    24 * 3600, env.int("KOBATELA_STAFF_ACCESS_COOLING_S", default=0)
)
# What a collector still has must not be paid from what others have paid in.
KOBATELA_REQUIRE_COVERAGE = True
# Only behind a proxy that sets this header itself; anybody else could claim to use TLS.
if env.bool("TRUST_X_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

env.finish()
