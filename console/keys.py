"""Every key of the read model in Redis, the only place where they are written.

All begin with `waldstream`; an installation whose topics have another prefix than `sprt` keeps its keys apart by it, so
that several can share one Redis.
"""

from dataclasses import dataclass

from schemas.topics import Topics

_DEFAULT_TOPICS = "sprt"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one installation."""

    root: str = "waldstream"

    @classmethod
    def of(cls, topics: Topics) -> "Keys":
        """Return the keys that belong to these topics."""
        return cls() if topics.prefix == _DEFAULT_TOPICS else cls(f"waldstream:{topics.prefix}")

    @property
    def stamp(self) -> str:
        """Return the key that says which cluster and which version of the projection the data came from."""
        return f"{self.root}:stamp"

    @property
    def heartbeat(self) -> str:
        """Return the key that the projector renews while it lives; it expires by itself."""
        return f"{self.root}:projector"

    @property
    def changes(self) -> str:
        """Return the channel on which every committed change is announced."""
        return f"{self.root}:changes"

    @property
    def events(self) -> str:
        """Return the stream of the newest control events of all experiments."""
        return f"{self.root}:events"

    @property
    def by_time(self) -> str:
        """Return the sorted set of runs, scored by the time of their last change of state."""
        return f"{self.root}:runs"

    def by_state(self, state: str) -> str:
        """Return the sorted set of the runs in one state, scored as `by_time`."""
        return f"{self.root}:runs:{state.lower()}"

    def offset(self, topic: str, partition: int) -> str:
        """Return the key of the next offset of one partition: written with the data it stands for."""
        return f"{self.root}:offset:{topic}:{partition}"

    def run(self, experiment_id: str, run: int) -> str:
        """Return the key of a run's document; run 0 stands for an experiment that has not run yet."""
        return f"{self.root}:run:{member(experiment_id, run)}"

    def latest(self, experiment_id: str) -> str:
        """Return the key of an experiment's newest run number."""
        return f"{self.root}:latest:{experiment_id}"

    def definitions(self, experiment_id: str) -> str:
        """Return the hash of an experiment's `defined` events by revision."""
        return f"{self.root}:definitions:{experiment_id}"

    def timeline(self, experiment_id: str) -> str:
        """Return the list of everything that happened to an experiment, oldest first."""
        return f"{self.root}:timeline:{experiment_id}"

    def walk(self, experiment_id: str, run: int) -> str:
        """Return the key of a run's packed points."""
        return f"{self.root}:walk:{member(experiment_id, run)}"

    def archive(self, experiment_id: str, run: int) -> str:
        """Return the key that says where a run's archive stands."""
        return f"{self.root}:archive:{member(experiment_id, run)}"

    @property
    def limits(self) -> str:
        """Return the hash of the queues' limits by name."""
        return f"{self.root}:limits"

    def reply(self, experiment_id: str, command_id: str) -> str:
        """Return the key of the answer to a command, kept for a day."""
        return f"{self.root}:reply:{experiment_id}:{command_id}"


def member(experiment_id: str, run: int) -> str:
    """Return the name of a run, as in a decision's id: `<experiment>/<run>`."""
    return f"{experiment_id}/{run}"


def parted(name: str) -> tuple[str, int]:
    """Return experiment id and run number of a run's name."""
    experiment_id, _, run = name.rpartition("/")
    return experiment_id, int(run)
