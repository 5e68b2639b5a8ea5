"""What speaks to waldstream from outside: the Python client, built-in sources, and the runner of a run's own source.

Modules are imported by name (`from producers.client import Client`), so that a command that needs one does not pay for
the others.
"""
