"""Reports on a public-sector project: the same lines as CSV and as pages."""

from escrow.reports.pages import pdf_report
from escrow.reports.spreadsheet import csv_report

__all__ = ["csv_report", "pdf_report"]
