"""`make demo` and the first calls of the README do what they say, on fresh data and again."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from kobatela.embedded.sample_documents import InvoiceText, make_invoice_pdf
from scripts.demo.display import Display, StepFailed

CHECKOUT = Path(__file__).resolve().parents[1]
DEMO_MAX_S = 120
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One var folder for all demos of this module, as one checkout has."""
    var = tmp_path_factory.mktemp("demo") / "var"
    var.mkdir()
    # pytest closes its folders to other accounts; PostgreSQL may have to run as one.
    for folder in (var.parent, var.parent.parent, var.parent.parent.parent):
        folder.chmod(0o755)
    return var


@pytest.fixture
def running(var: Path) -> Iterator[Path]:
    """The stack of `make up`, without the story."""
    output = var.parent / "up.output"
    with output.open("wb") as said:
        up = subprocess.Popen(
            [sys.executable, "-m", "kobatela.embedded.supervisor"],
            cwd=CHECKOUT,
            env=_environment(var),
            stdout=said,
            stderr=said,
        )
    try:
        give_up_at = time.monotonic() + DEMO_MAX_S
        while "everything runs" not in output.read_text():
            assert up.poll() is None, output.read_text()
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        yield var
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(60)


@pytest.mark.chaos
def test_the_demo_holds_on_fresh_data_and_again_on_the_same(var: Path) -> None:
    first, second = _play(var), _play(var)

    for demo in (first, second):
        assert demo.returncode == 0, demo.stdout + demo.stderr
        assert "Every step held." in demo.stdout
        assert "\x1b" not in demo.stdout, "plain text when nobody watches"
    assert _photo_hashes(first.stdout).isdisjoint(_photo_hashes(second.stdout))


@pytest.mark.chaos
def test_the_demo_fails_when_one_step_does_not_hold(var: Path) -> None:
    # No machine approves anything here, so the first photo is not paid.
    demo = _play(var, KOBATELA_AUTO_APPROVE_MAX="EUR=1.00")

    assert demo.returncode == 1, demo.stdout + demo.stderr
    assert "this step does not hold" in demo.stdout
    assert "Every step held." not in demo.stdout


@pytest.mark.chaos
def test_the_first_calls_work_as_they_are_pasted(running: Path, tmp_path: Path) -> None:
    blocks = SHELL_BLOCK.findall((CHECKOUT / "README.md").read_text())
    assert len(blocks) >= 5
    (tmp_path / "var").symlink_to(running)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env=_environment(running) | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEMO_MAX_S,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "FUNDED\n" in done.stdout
    assert '"status":"SETTLED"' in done.stdout.replace(" ", "")
    assert '"simulated":true' in done.stdout.replace(" ", "")


def test_the_display_counts_steps_and_marks_the_one_that_fails() -> None:
    out = StringIO()
    display = Display(total=2, out=out)
    with display.step("The first"):
        display.fact("amount", "1.00 EUR")
    with pytest.raises(StepFailed), display.step("The second"):
        raise StepFailed("it did not come")

    shown = out.getvalue()
    assert " 1/2  The first\n" in shown
    assert " 2/2  The second\n" in shown
    assert shown.count("✓") == shown.count("✗") == 1
    assert display.done == 1


def test_the_invoice_is_a_pdf_whose_table_finds_every_object() -> None:
    pdf = make_invoice_pdf(
        InvoiceText(
            number="F-1 (copie)",
            issued_on="2027-01-02",
            supplier="Quincaillerie",
            customer="Chantier",
            lines=[("Tôles", "10,00 €")],
            total="10,00 €",
            iban="FR76 3000",
        )
    )
    assert pdf.startswith(b"%PDF-1.4\n")
    assert pdf.endswith(b"%%EOF\n")
    assert rb"(Facture F-1 \(copie\))" in pdf
    table_at = int(pdf.rpartition(b"startxref\n")[2].split()[0])
    assert pdf[table_at : table_at + 4] == b"xref"
    offsets = [int(row[:10]) for row in pdf[table_at:].splitlines()[3:] if row.endswith(b"n ")]
    for number, offset in enumerate(offsets, start=1):
        assert pdf[offset:].startswith(b"%d 0 obj\n" % number)


def _play(var: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scripts.demo"],
        cwd=CHECKOUT,
        env=_environment(var) | {"DEMO_EXIT": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEMO_MAX_S,
    )


def _environment(var: Path) -> dict[str, str]:
    """The environment of a person at a terminal, not that of the tests."""
    names = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in names and not name.startswith("KOBATELA")
    }
    return kept | {"KOBATELA_ENV": "dev", "KOBATELA_VAR_DIR": str(var)}


def _photo_hashes(shown: str) -> set[str]:
    hashes = set(re.findall(r"sha256 ([0-9a-f]{16})", shown))
    assert hashes
    return hashes
