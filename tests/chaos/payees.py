"""Who was paid: every order at the PSP and every line of a batch leads to whom the money is owed.

Whom it is owed to is read from the escrow, the spending or the purchase, never from what the
payment itself says. Nobody who is no user of ours is paid as one here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.chaos.snapshot import Row, Snapshot

Books = Mapping[str, Any]
# By the noun of a payment's origin: the table, and whom a row of it is owed to.
_ORIGINS = {"spending": ("spendings", "payee"), "purchase": ("purchases", "merchant")}


def payees(found: Snapshot, books: Books) -> list[str]:
    """Payments that say, or lead to, somebody else than whom they are owed to."""
    owed = _owed(found)
    payments = {row["id"]: row for row in found.payments if row["id"] in owed}
    return [
        *_mistaken(payments, owed),
        *_transfers(books, owed),
        *_refunds(found, books, payments),
        *_lines(found, payments, owed),
    ]


def _owed(found: Snapshot) -> Mapping[int, str]:
    """By payment whom it is owed to: the number of a user, or a party (`payee:3`)."""
    escrows = {row["id"]: row for row in found.escrows}
    tables = {
        noun: {row["id"]: row for row in getattr(found, _ORIGINS[noun][0])} for noun in _ORIGINS
    }
    owed = {}
    for row in found.payments:
        noun, _, number = row["origin"].partition(":")
        escrow = escrows.get(row["escrow_id"])
        if noun:
            party = _ORIGINS[noun][1]
            owed[row["id"]] = f"{party}:{tables[noun][int(number)][f'{party}_id']}"
        elif escrow is not None:
            side = "client_id" if row["kind"] == "refund" else "provider_id"
            owed[row["id"]] = str(escrow[side])
    return owed


def _mistaken(payments: Mapping[int, Row], owed: Mapping[int, str]) -> Iterator[str]:
    for number, row in payments.items():
        says = row["party"] or str(row["payee_id"])
        if says != owed[number]:
            yield f"payment {number} is said to be owed to {says}, it is to {owed[number]}"


def _transfers(books: Books, owed: Mapping[int, str]) -> Iterator[str]:
    for order in books["transfers"]:
        whom = owed.get(int(order["metadata"]["payment"]), "")
        if whom and order["destination"] != f"fake:{whom}":
            yield f"{order['id']} was paid to {order['destination']}, it is owed to {whom}"


def _refunds(found: Snapshot, books: Books, payments: Mapping[int, Row]) -> Iterator[str]:
    """Each went back through the charge that its payment names, which is one of its escrow."""
    escrow_of_key = {row["psp_key"]: row["escrow_id"] for row in found.fundings}
    charges = {row["id"]: escrow_of_key.get(row["key"]) for row in books["fundings"]}
    for order in books["refunds"]:
        payment = payments.get(int(order["metadata"]["payment"]))
        if payment is None:
            continue
        if order["charge"] != payment["charge_ref"]:
            yield f"{order['id']} went through {order['charge']}, not {payment['charge_ref']}"
        if charges.get(order["charge"]) != payment["escrow_id"]:
            yield f"{order['id']} went through {order['charge']}, which is of another escrow"


def _lines(found: Snapshot, payments: Mapping[int, Row], owed: Mapping[int, str]) -> Iterator[str]:
    """Each is paid to an account of whom it is owed to, and to that of its payment once it was."""
    owners = {row["id"]: row["party"] or str(row["user_id"]) for row in found.destinations}
    for line in found.lines:
        number, account = line["payment_id"], line["destination_id"]
        if number not in payments:
            continue
        if owners.get(account) != owed[number]:
            yield f"the line {line['code']} leads to {owners.get(account)}, not to {owed[number]}"
        is_its_way = payments[number]["destination"] == f"destination:{account}"
        if line["status"] == "SETTLED" and not is_its_way:
            yield f"the line {line['code']} was paid another way than payment {number}"
