"""Which partition a key belongs to: murmur2 as in Kafka's Java client and in Faust."""


def murmur2(data: bytes) -> int:
    """Return Kafka's 32-bit murmur2 hash of the bytes, unsigned (org.apache.kafka.common.utils.Utils.murmur2)."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(data)
    value = (0x9747B28C ^ length) & mask
    for at in range(0, length - length % 4, 4):
        word = int.from_bytes(data[at : at + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        value = (value * multiplier & mask) ^ word
    tail = data[length - length % 4 :]
    if tail:
        value = (value ^ int.from_bytes(tail, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return value ^ value >> 15


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of `key` among `partitions`, the same as Kafka's default partitioner."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
