"""The report of a run as PDF: content in plain values, figures as vectors, set by typst."""

from exporter.report.pdf import pdf

__all__ = ["pdf"]
