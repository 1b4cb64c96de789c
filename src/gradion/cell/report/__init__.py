"""The report of a fit: figures, tables and one page that holds them."""

from gradion.cell.report.fit_report import REPORT_FILES, fit_summary, write_fit_report

__all__ = ["REPORT_FILES", "fit_summary", "write_fit_report"]
