"""The dashboards: one module each, one function a panel, a contents page at the end of the module."""
