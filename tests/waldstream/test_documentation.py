"""The documentation against the program: nothing is missing, nothing is out of date, and its kcat lines work."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.formats import FILES, files_of
from exporter.observations import COLUMNS
from schemas.metrics import METRICS
from schemas.topics import Topics
from tests.waldstream.installation import System, until
from waldstream.documentation import FOLDER, commands, rendered
from waldstream.settings import Settings

_PAGES = sorted(FOLDER.glob("*.md"))
_TEXT = "\n".join(page.read_text("utf-8") for page in _PAGES)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_the_generated_parts_are_up_to_date(page: Path) -> None:
    text = page.read_text("utf-8")

    assert rendered(text) == text, "run `make docs`"


@pytest.mark.parametrize(
    "name",
    [
        *(name for name, _ in commands()),
        *Settings.model_fields,
        *(topic.name for topic in Topics().all()),
        *(metric.name for metric in METRICS),
        *sorted(files_of(FILES)),
        *COLUMNS,
    ],
)
def test_everything_that_exists_is_on_a_page(name: str) -> None:
    assert re.search(rf"`{re.escape(name)}[ `]", _TEXT)


@pytest.mark.parametrize("page", [FOLDER.parent / "README.md", *_PAGES], ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", sorted(FOLDER.rglob("*.md")), ids=lambda page: page.name)
def test_every_file_and_name_of_the_program_on_a_page_is_there(page: Path) -> None:
    named = re.findall(r"`(\w+/[\w/]+\.py)`(?: `(\w+)`)?", page.read_text("utf-8"))
    texts = {path: (FOLDER.parent / path).read_text("utf-8") for path, _ in named}

    assert [name for path, name in named if name and not re.search(rf"(def|class) {name}\b", texts[path])] == []


def _kcat_blocks() -> Iterator[str]:
    page = (FOLDER / "02-clients.md").read_text("utf-8")
    yield from (block for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "kcat" in block)


@pytest.mark.stack
def test_the_kcat_lines_run_an_experiment_to_its_decision(system: System) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed: apt install kcat")

    def shell(block: str) -> str:
        for topic in ("control", "observations", "rejected"):
            block = block.replace(f"sprt.{topic}", f"{system.topics.prefix}.{topic}")
        command = block.replace("127.0.0.1:9092", system.bootstrap_servers)
        return subprocess.run(("bash", "-c", command), capture_output=True, timeout=60).stdout.decode(errors="replace")  # noqa: PLW1510  grep ends with 1 until there is a line

    run, reply, observe, decision, wrong, rejected = _kcat_blocks()
    shell(run)
    answered = json.loads(until(lambda: shell(reply)))
    shell(observe)
    decided = json.loads(until(lambda: shell(decision)))
    shell(wrong)
    turned_down = until(lambda: [line for line in shell(rejected).splitlines() if line.endswith(": heads")])

    assert answered["status"] == "accepted"
    assert (decided["outcome"], decided["reason"], decided["n"]) == ("accept_h1", "boundary_upper", 17)
    assert "__sprt.errors.reason=malformed" in turned_down[0]
