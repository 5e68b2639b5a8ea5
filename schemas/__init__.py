"""What is on the wire: events and their Avro schemas, codecs, the catalog of topics, the table of metrics.

Knows nothing of statistics; the translation of event fields into numbers is `experiments`.
"""
