import pytest

from schemas.partitions import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [  # org.apache.kafka.common.utils.UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_the_numbers_of_kafkas_own_test(key: bytes, signed: int) -> None:
    assert signed % 2**32 == murmur2(key)


def test_a_partition_lies_within_the_topic() -> None:
    assert {0, 1, 2, 3} == {partition_of(f"experiment-{k}", 4) for k in range(50)}
