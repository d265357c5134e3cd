"""The picture for showing is made after the commit, once, by whoever comes first."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from audit.errors import JobLockLost
from conftest import Doorbells
from kobatela.embedded.sample_documents import make_invoice_pdf
from kobatela.kernel import clock
from kobatela.uploads import storage
from proofs.models import Proof
from proofs.readers import document_reading, pool
from proofs.readers.errors import ReaderUnavailable, document_unreadable, unreadable
from proofs.services.derivatives import make_derivative, sweep_derivatives
from proofs.states import Derivative
from proofs.tasks import make_derivative as make_derivative_task
from proofs.tests.factories import INVOICE_TEXT, PDF, photo, site_escrow, submit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def fails_with(error: Exception) -> Any:
    def render(*args: object) -> None:
        raise error

    return render


def test_a_small_upright_picture_without_metadata_is_made() -> None:
    proof = submit(site_escrow(), photo(width=400, height=200, orientation=6))
    assert proof.upload is not None

    make_derivative_task(str(proof.pk))

    proof.refresh_from_db()
    assert proof.derivative == Derivative.DONE
    made = storage.opened_derivative(proof.upload.storage_name)
    with made, Image.open(made) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (200, 400)
        assert dict(picture.getexif()) == {}
    assert list(storage.quarantine_dir().iterdir()) == []


def test_a_second_bell_renders_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = submit(site_escrow(), photo())
    make_derivative(proof_id=proof.pk)
    monkeypatch.setattr(pool, "render_derivative", fails_with(AssertionError()))

    assert make_derivative(proof_id=proof.pk) == Derivative.DONE


def test_the_sweeper_makes_what_no_bell_was_heard_for() -> None:
    fresh = submit(site_escrow(), photo())
    assert sweep_derivatives(beat=lambda: None)["found"] == 0

    clock.advance(timedelta(minutes=1))
    document = submit(site_escrow(terms={"proof_kind": "INVOICE"}), PDF, proof_type="INVOICE")

    assert sweep_derivatives(beat=lambda: None) == {"found": 1, "made": 1, "failed": 0, "rung": 0}
    fresh.refresh_from_db()
    document.refresh_from_db()
    assert (fresh.derivative, document.derivative) == (Derivative.DONE, Derivative.WANTED)


def test_the_sweeper_that_lost_its_lock_draws_nothing_more() -> None:
    proof = submit(site_escrow(), photo())
    clock.advance(timedelta(minutes=1))

    def lost() -> None:
        raise JobLockLost("sweep_derivatives")

    with pytest.raises(JobLockLost):
        sweep_derivatives(beat=lost)

    proof.refresh_from_db()
    assert (proof.derivative, proof.derivative_attempts) == (Derivative.WANTED, 0)


def test_pages_that_no_bell_was_heard_for_are_left_to_those_who_read_documents(
    doorbells: Doorbells, django_capture_on_commit_callbacks: Any
) -> None:
    document = submit(site_escrow(terms={"proof_kind": "INVOICE"}), PDF, proof_type="INVOICE")
    clock.advance(timedelta(minutes=1))

    with django_capture_on_commit_callbacks(execute=True):
        assert sweep_derivatives(beat=lambda: None) == {
            "found": 1,
            "made": 0,
            "failed": 0,
            "rung": 1,
        }

    assert doorbells.for_task("proofs.tasks.render_pages") == [(str(document.pk),)]


def test_every_page_of_a_document_becomes_a_picture_without_metadata() -> None:
    document = submit(
        site_escrow(terms={"proof_kind": "INVOICE"}),
        make_invoice_pdf(INVOICE_TEXT, pages=3),
        proof_type="INVOICE",
    )

    assert make_derivative(proof_id=document.pk) == Derivative.DONE

    assert document.upload is not None
    for number in (1, 2, 3):
        drawn = storage.opened_page(document.upload.storage_name, number)
        with drawn, Image.open(drawn) as page:
            assert (page.format, max(page.size)) == ("JPEG", 1600)
            assert not {"exif", "xmp", "comment", "icc_profile"} & page.info.keys()
    with pytest.raises(FileNotFoundError):
        storage.opened_page(document.upload.storage_name, 4)


def pages_on_disk(files_dir: Path) -> list[str]:
    return sorted(path.name for path in files_dir.glob("pages/??/*"))


def test_a_page_that_cannot_be_drawn_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, files_dir: Path
) -> None:
    draw = document_reading.render_page

    def second_fails(path: Path, number: int, out_path: Path) -> None:
        if number == 2:
            raise document_unreadable()
        draw(path, number, out_path)

    monkeypatch.setattr(document_reading, "render_page", second_fails)
    document = submit(
        site_escrow(terms={"proof_kind": "INVOICE"}),
        make_invoice_pdf(INVOICE_TEXT, pages=3),
        proof_type="INVOICE",
    )

    assert make_derivative(proof_id=document.pk) == Derivative.DONE

    assert document.upload is not None
    name = document.upload.storage_name
    assert pages_on_disk(files_dir) == [f"{name}-1", f"{name}-3"]


def test_a_document_no_page_of_which_can_be_drawn_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(document_reading, "render_page", fails_with(document_unreadable()))
    document = submit(
        site_escrow(terms={"proof_kind": "INVOICE"}),
        make_invoice_pdf(INVOICE_TEXT, pages=5),
        proof_type="INVOICE",
    )

    assert make_derivative(proof_id=document.pk) == Derivative.FAILED


def test_a_picture_that_cannot_be_rendered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = submit(site_escrow(), photo())
    monkeypatch.setattr(pool, "render_derivative", fails_with(unreadable()))

    assert make_derivative(proof_id=proof.pk) == Derivative.FAILED
    clock.advance(timedelta(minutes=5))
    assert sweep_derivatives(beat=lambda: None)["found"] == 0


def test_where_rendering_does_not_work_it_is_tried_five_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proof = submit(site_escrow(), photo())
    monkeypatch.setattr(pool, "render_derivative", fails_with(ReaderUnavailable("no child")))

    results = [make_derivative(proof_id=proof.pk) for _ in range(5)]

    assert results == [Derivative.WANTED] * 4 + [Derivative.FAILED]
    assert Proof.objects.get(pk=proof.pk).derivative_attempts == 5
