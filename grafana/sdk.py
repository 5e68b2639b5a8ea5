"""The SDK's modules for classic dashboards, imported without the warning that they give at import.

The warning recommends the second dashboard schema; Grafana 11 cannot read that one, and 12 and 13 still read this one.
Everything of ours takes the SDK from here, so that nothing imports it noisily before.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import bargauge, prometheus, stat, table, timeseries, trend
    from grafana_foundation_sdk.builders import common as options
    from grafana_foundation_sdk.builders import dashboard as builders
    from grafana_foundation_sdk.models import common, dashboard
    from grafana_foundation_sdk.models import prometheus as queries

__all__ = [
    "bargauge",
    "builders",
    "common",
    "dashboard",
    "options",
    "prometheus",
    "queries",
    "stat",
    "table",
    "timeseries",
    "trend",
]
