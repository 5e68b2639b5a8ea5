"""What bends a worker's process under test: protections switched off, and faults no signal can make.

Each function is named in the `prepare` of a worker process and runs there before the worker; the product knows none.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from experiments import rows
from experiments.advance import advance
from experiments.memory import Memory
from experiments.sequences import Seen
from processors import agent, barrier, clients, inputs, partition, silence, steps, takeover, transactions
from processors.librdkafka import TransactionalProducer
from processors.outgoing import Outgoing


def _bend(owner: Any, name: str, bent: object) -> None:
    """Put something else in the place of a name of the product; a name that is gone must not pass for one bent."""
    if not hasattr(owner, name):
        raise AttributeError(name)
    setattr(owner, name, bent)


# Protections switched off, one each: what `test_mutations` shows to be needed.


def without_fence() -> None:
    """A producer of its own for each owner, so that the broker fences nobody."""
    original = clients.transactional_producer

    def own(kafka: Mapping[str, str], transactional_id: str) -> TransactionalProducer:
        return original(kafka, f"{transactional_id}-{os.getpid()}")

    _bend(clients, "transactional_producer", own)


def reading_before_the_fence() -> None:
    """The rows are read first, and only then is the predecessor fenced."""
    held: list[TransactionalProducer] = []
    original = takeover.read_rows
    _bend(partition, "fence", held.append)

    def read_then_fence(*arguments: Any) -> Any:
        found = original(*arguments)
        os.kill(os.getpid(), signal.SIGSTOP)  # the predecessor's chance, as at the kill point of the right order
        takeover.fence(held.pop())
        return found

    _bend(partition, "read_rows", read_then_fence)


def without_chain_check() -> None:
    """A batch is taken wherever it begins."""

    def anywhere(memory: Memory, batch: Any) -> Any:
        if hasattr(batch, "first"):
            name = {"ObservationBatch": "observations", "ControlBatch": "control"}.get(type(batch).__name__)
            if name is not None:
                memory = replace(memory, positions=memory.positions.set(name, batch.first))
        return advance(memory, batch)

    _bend(steps, "advance", anywhere)


def without_barrier() -> None:
    """Nobody waits for control: an experiment that is not known yet is unknown."""
    _bend(barrier.Barrier, "_is_passed", lambda *_: True)


def without_one_transaction() -> None:
    """What is emitted is committed first, the rows after it: two transactions where one belongs."""
    original = transactions.Transactions.commit

    def in_two(self: transactions.Transactions, outgoing: Outgoing) -> None:
        if outgoing.records or outgoing.walks.pairs:
            original(self, outgoing._replace(rows=outgoing.rows._replace(pairs=())))
        original(self, outgoing._replace(records=[], walks=outgoing.walks._replace(pairs=())))

    _bend(transactions.Transactions, "commit", in_two)


# Faults that no signal can make.


def losing_batches() -> None:
    """One batch in ten is read and never handed on: what a fault in the hand-over would do."""
    lots = random.Random(os.getpid())
    _lose_batches(lambda: lots.random() < 0.1)


def losing_the_first_batch() -> None:
    """The first batch of observations is read and never handed on."""
    lots = iter([True])
    _lose_batches(lambda: next(lots, False))


def _lose_batches(is_lost: Callable[[], bool]) -> None:
    original = inputs.Chain.take

    def take(self: inputs.Chain[Any], limit: int) -> inputs.Fetched | None:
        found = original(self, limit)
        if found is not None and self.name == "observations" and is_lost():
            return original(self, limit)
        return found

    _bend(inputs.Chain, "take", take)


def impatient_with_silence() -> None:
    """A reader that says nothing is believed for seconds only."""
    _bend(silence, "_ASK_SECONDS", 0.5)
    _bend(silence, "_PATIENCE_SECONDS", 2.0)


def not_finding_control_again() -> None:
    """The reader of control gets nothing any more, as of a client that does not find its broker again."""
    impatient_with_silence()
    _bend(inputs.Reader, "read", lambda _reader, _limit, timeout: time.sleep(timeout))


def losing_requests() -> None:
    """One step in ten never reaches the agent: what a queue that Faust clears does."""
    original, lots = agent.ComputingAgent.ask, random.Random(os.getpid())
    _bend(agent, "_LOST_SECONDS", 0.3)

    def ask(self: agent.ComputingAgent, *given: Any) -> Any:
        if lots.random() < 0.1:
            return None
        return original(self, *given)

    _bend(agent.ComputingAgent, "ask", ask)


def _at_decisions(after: bool) -> None:
    original = transactions.Transactions.commit

    def commit(self: transactions.Transactions, outgoing: Outgoing) -> None:
        made = [it.value or b"" for it in outgoing.records if it.topic.endswith(".control")]
        decides = any(b'"type":"decision"' in value for value in made)
        if decides and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        original(self, outgoing)
        if decides:
            os.kill(os.getpid(), signal.SIGKILL)

    _bend(transactions.Transactions, "commit", commit)


def killed_before_a_decision() -> None:
    """Ends the process when a step that decides is about to be sent; one time in two it lets it pass."""
    if os.getpid() % 2:
        _at_decisions(after=False)
    else:
        _at_decisions(after=True)


def with_a_jumping_clock() -> None:
    """The machine's clock jumps by up to a day, forwards and back, many times a minute."""
    lots = random.Random(os.getpid())
    original = time.time_ns
    jump = [0.0, 0]

    def time_ns() -> int:
        if time.monotonic() > jump[0]:
            jump[:] = [time.monotonic() + 0.5, lots.randint(-86_400, 86_400) * 10**9]
        return original() + int(jump[1])

    _bend(time, "time_ns", time_ns)
    _bend(time, "time", lambda: time_ns() / 1e9)


def with_a_slow_agent() -> None:
    """One step in a hundred holds the event loop for longer than the group waits for a heartbeat."""
    original, lots = steps.compute, random.Random(os.getpid())

    def compute(*arguments: Any) -> Any:
        if lots.random() < 0.01:
            time.sleep(4.0)
        return original(*arguments)

    _bend(agent, "compute", compute)


def writing_rows_of_version_1() -> None:
    """Rows as the program wrote them before version 2: the missing numbers of a source as they are."""
    _bend(rows, "ROW_VERSION", 1)
    original = rows._source

    def source(name: str, seen: Seen) -> bytes:
        counted_down = frozenset(seen.highest - number for number in seen.missing)
        return original(name, seen._replace(missing=counted_down))  # counted down twice they are what they were

    _bend(rows, "_source", source)


def writing_rows_of_the_future() -> None:
    """Rows of a version that this program does not know."""
    _bend(rows, "ROW_VERSION", rows.ROW_VERSION + 1)
