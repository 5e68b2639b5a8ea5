"""The consumer that turns every decision into an archive, and the proof that an archive is true.

Reads Kafka read-committed in a group of its own and folds the run again, independently of the worker.
"""
