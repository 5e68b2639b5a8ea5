"""What people and programs see: the read model in Redis, the web console and the REST API.

The projector fills the read model from committed topics; the console reads it and sends commands. Nothing here counts.
"""
