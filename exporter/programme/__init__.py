"""Reports over all runs of a period: what ended how, n against the plan, errors, and what many tests together prove."""

from exporter.programme.publish import Reported, disputed_runs, report, stands

__all__ = ["Reported", "disputed_runs", "report", "stands"]
