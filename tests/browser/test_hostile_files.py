"""Hostile files that were accepted run nowhere: not as a file, not on support's page."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from kobatela.accounts.tests.factories import make_key, make_staff
from kobatela.embedded.sample_documents import make_invoice_pdf
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api
from proofs.services.derivatives import make_derivative
from proofs.services.reading import read_document
from proofs.tests.factories import invoice_escrow, invoice_text, site_escrow
from proofs.tests.hostile import Hostile
from proofs.tests.hostile.base import document
from proofs.tests.hostile.documents import active_documents
from proofs.tests.hostile.names import hostile_names
from proofs.tests.hostile.pictures import HTML, polyglots

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request

pytestmark = pytest.mark.console

TAG = "<img src=x onerror=\"document.title='HACKED'\">"
CHOSEN = (
    "JPEG that ends as HTML",
    "PNG that ends as SVG",
    "PDF that ends as HTML",
    "JPEG with HTML in its comment",
    "PDF with script at opening",
    "PDF with form with a script",
)


@dataclass
class Watch:
    """What pages did that they must not do."""

    own: str
    seen: list[str] = field(default_factory=list)

    def over(self, page: "Page") -> None:
        page.on("dialog", self._refuse)
        page.on("request", self._look)

    def look_at(self, page: "Page") -> None:
        if page.title() == "HACKED":
            self.seen.append("script")

    def _refuse(self, dialog: "Dialog") -> None:
        self.seen.append(dialog.type)
        dialog.dismiss()

    def _look(self, request: "Request") -> None:
        if not request.url.startswith((self.own, "data:")):
            self.seen.append(request.url)


def hostile() -> list[Hostile]:
    """One of each way to run something, all of which are accepted, and words that are markup."""
    made = {file.label: file for file in (*polyglots(), *active_documents())}
    named = [file for file in hostile_names() if file.name.startswith("<img")]
    words = invoice_text(supplier=TAG, number="F-<b>1</b>")
    return [*(made[label] for label in CHOSEN), *named, document("markup", make_invoice_pdf(words))]


def submitted(file: Hostile) -> tuple[int, str]:
    """The file as a proof that the workers are done with, and the key of whoever sent it."""
    is_photo = file.proof_type == "PHOTO"
    escrow = site_escrow(terms={"max_age_minutes": None}) if is_photo else invoice_escrow()
    key = make_key(Scope.PROVIDER, escrow.provider)[1]
    fields = {"escrow_id": escrow.pk, "milestone_idx": 1, "type": file.proof_type}
    answer = Api(key).post(
        "/proofs",
        files={"file": SimpleUploadedFile(file.name, file.content)},
        fields={**fields, "metadata": json.dumps({"note": TAG})},
    )
    assert answer.status == 201, (file.label, answer.body)
    proof_id: int = answer.json["id"]
    if not is_photo:
        read_document(proof_id=proof_id)
    make_derivative(proof_id=proof_id)
    return proof_id, key


@contextmanager
def tab(
    browser: "Browser", watch: Watch, **options: Any
) -> Iterator[tuple["BrowserContext", "Page"]]:
    """A window that knows nothing of the others."""
    context = browser.new_context(**options)
    page = context.new_page()
    watch.over(page)
    yield context, page
    context.close()


def test_the_watch_sees_what_runs(chromium: "Browser") -> None:
    watch = Watch("http://kobatela.test/")
    with tab(chromium, watch) as (context, page):
        context.route(watch.own, lambda route: route.fulfill(body=HTML, content_type="text/html"))
        page.goto(watch.own)
        watch.look_at(page)

    assert sorted(watch.seen) == ["alert", "http://127.0.0.1:1/leak", "script"]


@pytest.mark.django_db(transaction=True)
def test_nothing_in_accepted_files_runs_in_a_browser(
    chromium: "Browser", live_server: LiveServer, settings: Settings, tmp_path: Path, client: Client
) -> None:
    settings.KOBATELA_FILES_DIR = tmp_path / "private"
    settings.INVOICE_OCR_ENABLED = False
    proofs = [submitted(file) for file in hostile()]
    client.force_login(make_staff("support"))
    session = client.cookies["sessionid"].value
    watch = Watch(live_server.url)

    for proof_id, key in proofs:
        header = {"Authorization": f"Bearer {key}"}
        with tab(chromium, watch, extra_http_headers=header) as (_, page):
            saves(page, f"{live_server.url}/proofs/{proof_id}/file", f"proof-{proof_id}.")
            watch.look_at(page)
    with tab(chromium, watch) as (context, page):
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        for proof_id, _ in proofs:
            console = f"{live_server.url}/admin/proofs/proof/{proof_id}"
            answer = page.goto(f"{console}/change/")
            assert answer is not None
            assert answer.status == 200
            assert page.locator("img").first.evaluate("image => image.naturalWidth") > 0
            watch.look_at(page)
            saves(page, f"{console}/original/", f"proof-{proof_id}.")
        page.goto(f"{live_server.url}/admin/uploads/upload/")
        watch.look_at(page)

    assert watch.seen == []


def saves(page: "Page", address: str, named: str) -> None:
    """The browser takes what is there for something to save, whatever is in it."""
    with page.expect_download() as download:
        # Leaving a page for a download is an error to Playwright.
        page.evaluate("address => { location.href = address }", address)
    assert download.value.suggested_filename.startswith(named)
