"""A real Prometheus on loopback, where one is installed: it scrapes what the given configuration names."""

import http.client
import shutil
from pathlib import Path

from stack.errors import PortTakenError, ProgramNotFoundError, StackError
from stack.ports import LOOPBACK, free_port, require_free
from stack.process import Child
from stack.server import Server


def find_prometheus(given: Path | None = None) -> Path:
    """Return the `prometheus` to use: the given one or the one on PATH.

    Raises
    ------
    ProgramNotFoundError
        If there is none; it is no part of a wheel.
    """
    if given is not None:
        if not given.is_file():
            raise ProgramNotFoundError(f"prometheus: {given} is not a file")
        return given
    if (on_path := shutil.which("prometheus")) is not None:
        return Path(on_path)
    raise ProgramNotFoundError("no `prometheus` on PATH; install it (Debian: apt install prometheus)")


class PrometheusServer(Server):
    """One Prometheus process.

    Parameters
    ----------
    data_dir
        Holds its time series and `prometheus.log`.
    config
        Its configuration file.
    port
        A free one if None; it stays the same over `stop`, `kill` and `start`.
    program
        The `prometheus` to use; found by `find_prometheus` if None.
    deadline
        Seconds in which it must be ready.
    """

    def __init__(
        self,
        data_dir: Path,
        config: Path,
        *,
        port: int | None = None,
        program: Path | None = None,
        deadline: float = 30.0,
    ) -> None:
        super().__init__("Prometheus", data_dir, port or free_port(), deadline=deadline)
        self._program = find_prometheus(program)
        self._config = config.resolve()

    @property
    def url(self) -> str:
        """Address of its pages and of its API."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """What the server wrote, over all its starts."""
        return self.data_dir / "prometheus.log"

    def _launch(self) -> Child:
        require_free(self.port, self.name)
        argv = (
            self._program,
            f"--config.file={self._config}",
            f"--storage.tsdb.path={self.data_dir / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
        )
        return Child(self.name, argv, log=self.log, cwd=self.data_dir)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _explain(self, log: str) -> StackError | None:
        if "address already in use" in log:
            return PortTakenError(f"{self.name}: port {self.port} was taken while it started")
        return None
