"""Limits that cannot be meant stop the start."""

import pytest
from pytest_django.fixtures import Settings

from proofs.system_checks import check_day_limits, check_review_sample


@pytest.mark.parametrize(("share", "errors"), [(0, 0), (0.5, 0), (1, 0), (-0.1, 1), (1.1, 1)])
def test_the_drawn_share_lies_between_none_and_all(
    settings: Settings, share: float, errors: int
) -> None:
    settings.KOBATELA_REVIEW_SAMPLE = share

    assert len(check_review_sample()) == errors


def test_nan_is_no_share(settings: Settings) -> None:
    settings.KOBATELA_REVIEW_SAMPLE = float("nan")

    assert [error.id for error in check_review_sample()] == ["proofs.E001"]


@pytest.mark.parametrize(("days", "errors"), [({"EUR": 200}, 0), ({"EUR": 199}, 1), ({}, 1)])
def test_a_day_holds_at_least_one_photo(
    settings: Settings, days: dict[str, int], errors: int
) -> None:
    settings.KOBATELA_AUTO_APPROVE_MAX_MINOR = {"EUR": 200}
    settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR = days

    assert len(check_day_limits()) == errors
