"""Facts on their way from the child to the database."""

import json
from dataclasses import replace

import pytest

from proofs.readers.facts import GpsState, ImageFacts

FACTS = ImageFacts(
    media_type="image/jpeg",
    width=4000,
    height=3000,
    orientation=None,
    make="Tecno",
    model=None,
    software=None,
    taken_at_local="2026-03-10T11:30:00",
    utc_offset="+00:00",
    gps_time_utc=None,
    latitude=5.3453,
    longitude=-4.0244,
    gps_state=GpsState.VALID,
    positioning_error_m=None,
    perceptual_hash="a5" * 32,
)


def test_facts_survive_json() -> None:
    written = json.dumps(FACTS.to_json(), allow_nan=False)
    assert ImageFacts.from_json(json.loads(written)) == FACTS
    bare = replace(FACTS, latitude=None, longitude=None, gps_state=GpsState.ABSENT)
    assert ImageFacts.from_json(bare.to_json()) == bare


@pytest.mark.parametrize(
    "changes",
    [
        {"width": "4000"},
        {"width": True},
        {"width": None},
        {"latitude": "5.3"},
        {"latitude": 5},
        {"gps_state": "certain"},
        {"gps_state": None},
        {"make": ["Tecno"]},
        {"perceptual_hash": 7},
        {"extra": 1},
    ],
)
def test_facts_of_another_shape_are_not_taken(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of the enum or our own
        ImageFacts.from_json({**FACTS.to_json(), **changes})


@pytest.mark.parametrize("data", [None, [], {}, "facts", {"width": 1}])
def test_what_are_no_facts_are_not_taken(data: object) -> None:
    with pytest.raises(ValueError, match="not the facts"):
        ImageFacts.from_json(data)
