"""The PSP's books on one page, for people. It reads and changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from payments.psp.fake.bank import Bank

_NEWEST = 200
_STYLE = (
    "body{font:15px/1.5 sans-serif;margin:2rem;color:#222}table{border-collapse:collapse;"
    "margin-bottom:2rem}td,th{border-bottom:1px solid #ccc;padding:.2rem .8rem;text-align:left}"
    "td.amount{text-align:right}caption{text-align:left;font-weight:bold;padding:.4rem 0}"
)
_COLUMNS: Mapping[str, Sequence[str]] = {
    "fundings": ("id", "amount", "received", "currency", "status", "metadata"),
    "transfers": ("id", "destination", "amount", "currency", "status", "failure", "metadata"),
    "refunds": ("id", "charge", "amount", "currency", "status", "failure", "metadata"),
    "chargebacks": ("id", "charge", "amount", "currency", "status"),
}
_TOTALS = ("currency", "collected", "paid_out", "given_back", "taken_back", "fees")
_SCRIPT = ("behaviour", "times", "kind", "destination", "metadata", "seconds")
_AMOUNTS = frozenset({"amount", "received", *_TOTALS[1:]})


def of(bank: Bank) -> str:
    """The whole page, the newest rows first."""
    books = bank.books()
    totals = [{"currency": name, **sums} for name, sums in books["totals"].items()]
    tables = [_table("totals", _TOTALS, totals)]
    for name, columns in _COLUMNS.items():
        tables.append(_table(name, columns, list(reversed(books[name]))[:_NEWEST]))
    tables.append(_table("scripted", _SCRIPT, bank.store.scenarios()))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Sandbox PSP</title>"
        f"<style>{_STYLE}</style><h1>Sandbox PSP</h1>"
        f"<p>It moves no real money. Reports not taken yet: {books['open_deliveries']}.</p>"
        f"{''.join(tables)}</html>"
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    heads = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    lines = "".join(f"<tr>{''.join(_cell(name, row) for name in columns)}</tr>" for row in rows)
    none = f"<tr><td colspan={len(columns)}>none</td></tr>"
    return f"<table><caption>{escape(title)}</caption><tr>{heads}</tr>{lines or none}</table>"


def _cell(name: str, row: Mapping[str, Any]) -> str:
    value = row[name]
    if isinstance(value, dict):
        value = ", ".join(f"{key} {said}" for key, said in value.items())
    kind = " class=amount" if name in _AMOUNTS else ""
    return f"<td{kind}>{escape(str(value))}</td>"
