"""Tests: embedded servers, a database of their own, nothing sent to a broker by accident."""

import os
import zlib

from kobatela.embedded import var_dir
from kobatela.settings import require_environment
from kobatela.settings.environment import env
from kobatela.settings.local import local_values

KOBATELA_ENV = require_environment("test")
# The processes among which one run is divided, `gw0` and so on, have servers of their own: what is
# under way anywhere in a PostgreSQL holds back the export of a trail. What they start themselves
# finds the same ones.
_process = os.environ.get("PYTEST_XDIST_WORKER", "")
if _process and var_dir().name != _process:
    os.environ["KOBATELA_VAR_DIR"] = str(var_dir() / _process)
env.fall_back_to(local_values())

from kobatela.settings.base import *  # noqa: E402 - base reads what was filled in above

# Whatever server the URLs lead to, tests touch this database only.
TEST_DATABASE = env.str("KOBATELA_TEST_DB", default="test_kobatela")
if not TEST_DATABASE.endswith(_process):
    # Also where one server was named for all of them.
    TEST_DATABASE = f"{TEST_DATABASE}_{_process}"
for _alias in DATABASES.values():
    _alias["NAME"] = TEST_DATABASE
    # Tests open and close connections in many short-lived threads; a pool would outlive them.
    _alias["OPTIONS"].pop("pool", None)

# Runs of the tests side by side share one Valkey; each counts in a numbered database of its own.
_number = zlib.crc32(TEST_DATABASE.removesuffix(f"_{_process}").encode())
_number += int(_process.removeprefix("gw") or 0)
REDIS_URL = f"{REDIS_URL.rpartition('/')[0]}/{1 + _number % 15}"
CELERY_BROKER_URL = REDIS_URL
CACHES["default"]["LOCATION"] = REDIS_URL

# A test that stays inside one transaction sees what was written apart from it only this way.
AUDIT_APART_DATABASE = "default"

# The real hashers are slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Nothing was collected, so there is nothing to serve and no hashed name to look up.
MIDDLEWARE.remove("whitenoise.middleware.WhiteNoiseMiddleware")
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
KOBATELA_FILES_DIR = VAR_DIR / "test-files" / TEST_DATABASE

env.finish()
