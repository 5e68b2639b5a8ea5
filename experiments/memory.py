"""What a partition's owner remembers, as frozen values: experiments, queues, positions, counts."""

from dataclasses import dataclass, field

from immutables import Map

from experiments.ledger import Experiments
from schemas import events


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of runs: how many may be live, which hold a slot, and who waits, in the order of arrival."""

    limit: int = 1
    holding: frozenset[str] = frozenset()
    waiting: tuple[events.SlotRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """All that the owner of one partition knows; `positions` maps an input (`observations`, …) to its next offset."""

    partition: int
    partitions: int
    experiments: Experiments = field(default_factory=Experiments)
    queues: Map[str, Queue] = field(default_factory=Map)
    positions: Map[str, int] = field(default_factory=Map)
    counts: Map[str, int] = field(default_factory=Map)
