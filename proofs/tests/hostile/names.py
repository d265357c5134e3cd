"""Harmless files under names that mean harm to a disk, a header, a terminal or a page."""

from collections.abc import Iterator

from proofs.tests.hostile.base import INVOICE, PHOTO, Hostile, invoices, pictures

_NAMES = (
    "../../../../etc/cron.d/photo.jpg",
    "..\\..\\windows\\photo.jpg",
    "photo\u202egpj.exe",
    "photo.jpg\x00.html",
    "photo\r\nSet-Cookie: a=b\r\n.jpg",
    'photo.jpg"; filename="other.html',
    "<script>document.title='HACKED'</script>.jpg",
    "<img src=x onerror=document.title='HACKED'>.jpg",
    "a" * 5000 + ".jpg",
    "",
    ".",
    "/dev/null",
    "CON",
    ".htaccess",
    "photo.jpg;.php",
    "${jndi:ldap://127.0.0.1/a}.jpg",
    "%2e%2e%2f%2e%2e%2fphoto.jpg",
    "'; DROP TABLE uploads_upload; --.jpg",
    "\u2066\u2067\u2028\u2029\ufeffphoto.jpg",
    "e\u0301\u0301" * 200 + ".jpg",
    "\ud83d.jpg",
    "=cmd|'/C calc'!A0.jpg",
)


def hostile_names() -> Iterator[Hostile]:
    """A photo, and then an invoice, under each name."""
    for number, name in enumerate(_NAMES):
        # Each photo is another one: the same bytes twice would be refused for that.
        photo = pictures()["jpg"] + b"name %d" % number
        yield Hostile(f"name {name[:30]!a} of a photo", photo, name, PHOTO)
    for number, name in enumerate(_NAMES):
        invoice = invoices()[0] + b"%% name %d\n" % number
        yield Hostile(f"name {name[:30]!a} of an invoice", invoice, name, INVOICE)
