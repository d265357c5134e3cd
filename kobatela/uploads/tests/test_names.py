"""Names of files are text for people and nothing else."""

import pytest

from kobatela.uploads.addresses import storage_url, upload_id_of
from kobatela.uploads.names import readable_name


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("IMG_2041.jpg", "IMG_2041.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\site.jpg", "site.jpg"),
        ("photo\r\nSet-Cookie: a=b.jpg", "photoSet-Cookie: a=b.jpg"),
        ("nul\x00byte.jpg", "nulbyte.jpg"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("line\u2028separator.jpg", "lineseparator.jpg"),
        ("..", "file"),
        ("", "file"),
        (" . ", "file"),
        ("chantier été.heic", "chantier été.heic"),
        ("a" * 300, "a" * 100),
    ],
)
def test_a_name_keeps_what_people_read_and_nothing_that_steers(sent: str, kept: str) -> None:
    assert readable_name(sent) == kept


def test_an_address_names_its_upload() -> None:
    assert upload_id_of(storage_url(17)) == 17


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/photo.jpg",
        "kobatela://uploads/",
        "kobatela://uploads/17x",
        "kobatela://uploads/-1",
        "kobatela://uploads/\u0661\u0667",
        "kobatela://uploads/" + "9" * 19,
        "kobatela://uploads/" + "1" * 4000,
        "17",
        "",
    ],
)
def test_any_other_address_names_none(address: str) -> None:
    assert upload_id_of(address) is None
