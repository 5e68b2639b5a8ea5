"""The cache of jars is whole or mended: over damage, kills, two processes at once, a bad registry and a full disk."""

import gc
import os
import resource
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stack.errors import ChecksumError, DataFolderError, NoSpaceError, RegistryError
from stack.jars import Jar, ensure_jars, kafka_jars
from stack.ports import free_port
from tests.stack.polling import eventually

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
FETCH = """
import sys
from pathlib import Path
from stack.jars import ensure_jars
ensure_jars(Path(sys.argv[1]), registry=sys.argv[2])
"""


class Registry(ThreadingHTTPServer):
    """A Maven repository over HTTP that counts its answers and can fall silent after some of them."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.silent_after: int | None = None
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def place(self, jar: Jar) -> Path:
        return self.folder / jar.group.replace(".", "/") / jar.artifact / jar.version / jar.filename


class Handler(SimpleHTTPRequestHandler):
    server: Registry

    def __init__(self, request: object, address: object, server: Registry) -> None:
        super().__init__(request, address, server, directory=str(server.folder))  # type: ignore[arg-type]  # typeshed names sockets

    def do_GET(self) -> None:
        if self.path.endswith(".jar"):
            self.server.asked.append(self.path)
            limit = self.server.silent_after
            if limit is not None and len(self.server.asked) > limit:
                self.rfile.read(1)  # until the client is gone
                return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    server = Registry(tmp_path / "registry")
    for jar, path in zip(kafka_jars(), ensure_jars(), strict=True):
        server.place(jar).parent.mkdir(parents=True)
        server.place(jar).symlink_to(path)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    with warnings.catch_warnings():
        # jgo leaves the answers that it refuses to the collector; make that happen here
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return a whole cache of this test's own."""
    for path in ensure_jars():
        (tmp_path / "cache").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "cache")
    return tmp_path / "cache"


def closed_registry() -> str:
    return f"http://127.0.0.1:{free_port()}"


def fetching(cache: Path, registry: Registry) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", FETCH, str(cache), registry.url], env=environment)


def test_the_list_names_46_jars_of_one_version_each() -> None:
    jars = kafka_jars()
    assert len(jars) == 46
    assert len({(jar.group, jar.artifact) for jar in jars}) == 46
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.3.1"}
    assert all(len(jar.sha256) == 64 for jar in jars)


def test_an_empty_cache_is_filled_and_then_needs_no_network(tmp_path: Path, registry: Registry) -> None:
    cache = tmp_path / "new" / "cache"
    paths = ensure_jars(cache, registry=registry.url)
    assert [path.name for path in paths] == [jar.filename for jar in kafka_jars()]
    assert all(jar.whole(cache) for jar in kafka_jars())
    assert ensure_jars(cache, registry=closed_registry()) == paths


def test_damaged_and_missing_jars_alone_are_fetched_again(cache: Path, registry: Registry) -> None:
    cut, changed, missing = kafka_jars()[:3]
    with (cache / cut.filename).open("r+b") as file:
        file.truncate(100)
    with (cache / changed.filename).open("r+b") as file:
        file.write(b"\0" * 8)
    (cache / missing.filename).unlink()
    ensure_jars(cache, registry=registry.url)
    assert all(jar.whole(cache) for jar in kafka_jars())
    assert len(registry.asked) == 3


def test_a_jar_that_differs_from_its_checksum_is_refused(cache: Path, registry: Registry) -> None:
    jar = kafka_jars()[0]
    (cache / jar.filename).unlink()
    registry.place(jar).unlink()
    registry.place(jar).write_bytes(b"not what was committed to")
    with pytest.raises(ChecksumError, match=f"{jar.artifact}:{jar.version}.*{jar.sha256}"):
        ensure_jars(cache, registry=registry.url)
    assert not (cache / jar.filename).exists()


def test_a_jar_that_is_not_offered_is_named(cache: Path, registry: Registry) -> None:
    jar = kafka_jars()[0]
    (cache / jar.filename).unlink()
    registry.place(jar).unlink()
    with pytest.raises(RegistryError, match=f"does not offer {jar.group}:{jar.artifact}:{jar.version}"):
        ensure_jars(cache, registry=registry.url)


def test_a_registry_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="could not be fetched, is the network up"):
        ensure_jars(tmp_path / "cache", registry=closed_registry())


def test_a_killed_fetch_is_taken_up_where_it_ended(tmp_path: Path, registry: Registry) -> None:
    cache = tmp_path / "cache"
    registry.silent_after = 20
    with fetching(cache, registry) as process:
        assert eventually(lambda: len(registry.asked) > 20)
        process.kill()
    assert not all(jar.whole(cache) for jar in kafka_jars())
    registry.silent_after = None
    registry.asked.clear()
    ensure_jars(cache, registry=registry.url)
    assert all(jar.whole(cache) for jar in kafka_jars())
    assert len(registry.asked) <= 46 - 16  # four were under way
    assert not (cache / ".incoming").exists()


def test_two_processes_at_once_fetch_each_jar_once(tmp_path: Path, registry: Registry) -> None:
    cache = tmp_path / "cache"
    with fetching(cache, registry) as one, fetching(cache, registry) as two:
        assert (one.wait(60), two.wait(60)) == (0, 0)
    assert all(jar.whole(cache) for jar in kafka_jars())
    assert len(registry.asked) == len(set(registry.asked)) == 46


def test_a_full_disk_is_said(tmp_path: Path, registry: Registry) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(NoSpaceError, match="no space for the jars of Kafka in"):
            ensure_jars(tmp_path / "cache", registry=registry.url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_cache_that_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="cannot be used"):
        ensure_jars(tmp_path / "file")
