"""A row by a fixed statement is the row that Django would load."""

import pytest

from escrow.models import Escrow
from escrow.tests.factories import make_escrow
from kobatela.kernel.rows import RowStatement

pytestmark = pytest.mark.django_db

BY_ID = RowStatement(Escrow, "FROM escrow_escrow WHERE id = %s", more=("amount_total_minor + 1",))


def test_every_column_has_its_value_and_its_type() -> None:
    made = make_escrow(release_conditions={"what": ["a roof", 1]})
    found = BY_ID.first(made.pk)
    assert found == made
    loaded = Escrow.objects.get(pk=made.pk)
    for field in Escrow._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(loaded, field.attname)


def test_a_loaded_row_is_saved_as_the_row_that_it_is() -> None:
    found = BY_ID.first(make_escrow().pk)
    assert found is not None
    found.domain = "aid"
    found.save()
    assert Escrow.objects.get().domain == "aid"


def test_further_columns_come_beside_the_row() -> None:
    made = make_escrow()
    assert BY_ID.first_with_more(made.pk) == (made, [made.amount_total_minor + 1])


def test_no_row_is_none() -> None:
    assert BY_ID.first(0) is None
    assert BY_ID.first_with_more(0) is None
