"""Definitions that `waldstream demo` runs, as files that one can copy."""
