"""Where observations come from, what becomes of failed runs, what is watched and exported: the rest of a definition."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from experiments.durations import Duration
from experiments.families import Finite, Part, Probability


class _Paced(Part):
    rate: Annotated[float, Field(gt=0, le=1e6)] = Field(default=1000.0, description="Records per second.")
    batch: Annotated[int, Field(ge=1, le=10_000)] = Field(default=1, description="Observations per record.")


class ExternalSource(Part):
    """Observations come from producers of the researcher's own."""

    kind: Literal["external"] = "external"


class EntropySource(_Paced):
    """Bits of the operating system's entropy source; `p` is the share of ones made of them."""

    kind: Literal["entropy"]
    p: Probability = 0.5


class CsvSource(_Paced):
    """A column of a CSV file that the runner can read."""

    kind: Literal["csv"]
    path: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    column: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "value"


class SimulatedSource(_Paced):
    """Observations drawn from the model at `theta`, from a seed that makes them repeatable."""

    kind: Literal["simulate"]
    theta: Finite
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0  # what JSON's numbers hold exactly


Source = Annotated[ExternalSource | EntropySource | CsvSource | SimulatedSource, Field(discriminator="kind")]


class Retry(Part):
    """Which ends of a run are tried again, how often and after how long: attempt k waits backoff * factor^(k - 2)."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 1
    backoff: Duration = 30_000_000
    backoff_factor: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] = 2.0
    on: Annotated[tuple[Literal["stalled", "failed"], ...], Field(max_length=2)] = ("stalled", "failed")


Guard = Literal["off", "warn", "hold"]


class Health(Part):
    """What is watched: `warn` is shown with the decision, `hold` withholds it until somebody releases it."""

    duplicates: Guard = "warn"
    gaps: Guard = "warn"
    rejected: Guard = "warn"
    late: Guard = "warn"
    homogeneity: Guard = "warn"
    drift: Guard = "warn"
    sample_ratio: Guard = "warn"


Format = Literal["csv", "xlsx", "json", "parquet", "pdf"]


class Export(Part):
    """Which formats the archive of a run holds; CSV, Parquet and JSON are its proof and always written."""

    formats: Annotated[tuple[Format, ...], Field(max_length=5)] = ("csv", "xlsx", "json", "parquet", "pdf")
