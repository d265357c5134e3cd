"""Tests of the HTTP edge, and the kit with which other apps test theirs."""

import pytest

pytest.register_assert_rewrite("kobatela.rest.tests.idempotency_kit")
