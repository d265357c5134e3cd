"""The address under which a file that was sent ahead is named in later commands."""

_SCHEME = "kobatela://uploads/"
_MAX_ID = 2**63 - 1


def storage_url(upload_id: int) -> str:
    """The address of an upload, as its owner sees it."""
    return f"{_SCHEME}{upload_id}"


def upload_id_of(address: str) -> int | None:
    """The id of the upload that an address names, None for any other address."""
    rest = address.removeprefix(_SCHEME)
    if rest == address or not (rest.isascii() and rest.isdecimal()) or len(rest) > 19:
        return None
    upload_id = int(rest)
    return upload_id if upload_id <= _MAX_ID else None
