"""The embedded local stack: real Kafka and Redis (and Prometheus where installed) as children of this process.

It knows nothing of the application; nothing it starts outlives the process that started it.
"""
