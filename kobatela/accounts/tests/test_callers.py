"""Staff at the console as callers."""

import pytest

from kobatela.accounts.models import User
from kobatela.accounts.services.callers import staff_caller
from kobatela.accounts.tests.factories import make_staff, make_user
from kobatela.kernel.caller import Scope
from kobatela.rest.errors import InsufficientScope

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("role", "scope"), [("support", Scope.SUPPORT), ("admin", Scope.ADMIN)])
def test_a_group_gives_the_scope(role: str, scope: Scope) -> None:
    user = make_staff(role)

    caller = staff_caller(user)

    assert (caller.scope, caller.actor, caller.user_id) == (scope, f"staff:{user.pk}", user.pk)
    assert caller.is_staff
    assert caller.key_id is None


def test_a_superuser_is_an_admin() -> None:
    user = User.objects.create_superuser("root", "root@example.org", "password")

    assert staff_caller(user).scope is Scope.ADMIN


def test_nobody_else_is_staff() -> None:
    former = make_staff("admin")
    former.is_active = False
    unhired = make_staff("admin")
    unhired.is_staff = False
    bare = make_staff("admin")
    bare.groups.clear()

    for user in (make_user(), former, unhired, bare):
        with pytest.raises(InsufficientScope):
            staff_caller(user)
