"""The Faust worker: a shell that carries batches from Kafka to the pure `advance` and commits what comes back.

Faust owns membership and assignment, librdkafka moves the data; one transaction per batch and partition keeps the
count.
"""
