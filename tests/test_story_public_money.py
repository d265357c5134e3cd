"""An NGO sees where its money is: one project, three escrows, two currencies, every file's hash."""

import csv
import hashlib
import io
from typing import Any

import pytest

from kobatela.accounts.models import User
from tests.house import House, ok, person, photo, photo_milestone, refused

pytestmark = pytest.mark.flow


def _ngo(house: House) -> None:
    assert house.sender.user is not None, "the sender is a user"
    User.objects.filter(pk=house.sender.id).update(public_tag="ONG")


def _mandates(house: House, query: str = "") -> dict[str, Any]:
    return ok(house.sender.api.get(f"/kct_public/mandates{query}"))


def test_an_ngo_follows_three_escrows_in_two_currencies_to_the_last_hash(house: House) -> None:
    _ngo(house)
    body = {"label": "Wells of the north", "project_type": "water", "country": "SN",
            "city": "Podor", "domain": "aid"}  # fmt: skip
    project = ok(house.sender.api.post("/kct_public/projects", json=body), 201)
    path = f"/kct_public/projects/{project['id']}"
    first = house.agree(photo_milestone(1, "600.00"), photo_milestone(2, "400.00"), domain="aid")
    second = house.agree(photo_milestone(1, "500.00"), total="500.00", domain="aid")
    third = house.agree(total="90000", currency="XOF", domain="aid")
    for escrow_id in (first, second, third):
        ok(house.sender.api.post(f"{path}/mandates", json={"escrow_id": escrow_id}), 201)

    # The first is built halfway, the second stays a plan, the third is funded.
    house.fund(first)
    house.fund(third)
    picture = photo()
    ok(house.send_photo(first, 1, picture), 201)
    house.work_until(lambda: house.all_settled(first))

    _follow(house, first, second, third)
    digest = hashlib.sha256(picture).hexdigest()
    _report(house, path, f"escrow:{first}", digest)
    assert house.trail(first)["project.escrow_attached"] == 1
    _nobody_else_sees(path)


def _follow(house: House, first: int, second: int, third: int) -> None:
    """What the list of public escrows tells."""
    found = _mandates(house)
    by_id = {item["escrow_id"]: item for item in found["items"]}
    assert list(by_id) == [third, second, first]
    assert (by_id[first]["released"], by_id[first]["remaining"]) == ("600.00", "400.00")
    progress = ("milestones_paid", "milestones_total", "current_milestone")
    assert [by_id[first][name] for name in progress] == [1, 2, 2]
    assert [by_id[second][name] for name in progress] == [0, 1, 1]
    assert [by_id[third][name] for name in progress] == [0, 0, None]
    assert [(t["currency"], t["escrows"], t["total"], t["released"], t["remaining"])
            for t in found["totals"]] == [
        ("EUR", 2, "1500.00", "600.00", "900.00"),
        ("XOF", 1, "90000", "0", "90000"),
    ]  # fmt: skip
    assert [i["escrow_id"] for i in _mandates(house, "?currency=XOF")["items"]] == [third]
    assert [i["escrow_id"] for i in _mandates(house, "?status=DRAFT")["items"]] == [second]


def _report(house: House, path: str, reference: str, digest: str) -> None:
    """What the report tells, as CSV; and that there are pages."""
    answer = house.sender.api.get(f"{path}/report?format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    (evidence,) = [row for row in rows if row["row"] == "evidence"]
    assert evidence["reference"] == reference
    assert evidence["evidence_sha256"] == digest
    totals = {row["currency"]: row for row in rows if row["row"] == "total"}
    assert (totals["EUR"]["funded"], totals["EUR"]["settled"]) == ("1000.00", "600.00")
    assert (totals["EUR"]["remaining"], totals["XOF"]["funded"]) == ("900.00", "90000")
    assert house.sender.api.get(f"{path}/report?format=pdf").body.startswith(b"%PDF-")


def _nobody_else_sees(path: str) -> None:
    """Another public body has no part in it, and a private one none in any."""
    other = person("sender")
    refused(other.api.get(path), 403, "PUBLIC_ACCESS_FORBIDDEN")
    User.objects.filter(pk=other.id).update(public_tag="GOV")
    refused(other.api.get(path), 404, "PROJECT_NOT_FOUND")
    assert ok(other.api.get("/kct_public/mandates")) == {"items": [], "next": None, "totals": []}
