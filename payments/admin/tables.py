"""Tables inside a record's page."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kobatela.kernel.money import Money

if TYPE_CHECKING:
    from payments.ledger.models import Transfer


def table(head: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> SafeString:
    """Rows under their heads; "none" when there are none."""
    lines = list(rows)
    if not lines:
        return SafeString("none")
    titles = format_html_join("", "<th>{}</th>", ((title,) for title in head))
    cells = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in line)),) for line in lines),
    )
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", titles, cells)


def postings_table(transfers: "Iterable[Transfer]") -> SafeString:
    """What transfers moved in the books."""
    return table(
        ("when", "what", "account", "debit", "credit"),
        (
            (
                f"{transfer.created_at:%Y-%m-%d %H:%M:%S}",
                transfer.code,
                entry.account.code,
                Money(entry.amount_minor, transfer.currency) if entry.amount_minor > 0 else "",
                Money(-entry.amount_minor, transfer.currency) if entry.amount_minor < 0 else "",
            )
            for transfer in transfers
            for entry in transfer.entries.all()
        ),
    )
