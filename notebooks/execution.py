"""In: a notebook's file. Out: the notebook executed in a kernel of its own, as a page, or without any output again."""

import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from traitlets.config import Config

from notebooks.surroundings import DATA_VARIABLE, SIZE_VARIABLE

FOLDER: Final = Path(__file__).resolve().parent
LONGEST_CELL_S: Final = 900
_NOTHING_FROM_ELSEWHERE: Final = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
    "font-src data:; style-src 'unsafe-inline'\">"
)
_FORMAT: Final = 4
_METADATA: Final = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def all_notebooks() -> list[Path]:
    """In the order in which they are to be read."""
    return sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path, *, size: str, data: Path | None = None) -> Any:
    """The executed notebook; `data` takes the place of the usual folder. Raises CellExecutionError.

    What IPython and Jupyter keep of a session goes into a folder that is gone afterwards.
    """
    notebook = nbformat.read(path, as_version=_FORMAT)
    with tempfile.TemporaryDirectory(prefix="emdr-notebook-") as kept:
        own = dict.fromkeys(("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"), kept)
        environment = os.environ | own | {SIZE_VARIABLE: size, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        if data is not None:
            environment[DATA_VARIABLE] = str(data)
        client = NotebookClient(
            notebook,
            timeout=LONGEST_CELL_S,
            config=Config({"KernelManager": _spoken_to(Path(kept))}),
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
        )
        # What libraries in C++ say on their own account is no part of a notebook.
        return client.execute(env=environment, stderr=subprocess.DEVNULL)


def _spoken_to(folder: Path) -> dict[str, str]:
    """How to reach the kernel: by sockets in a folder of its own where there are such, so that no port is open."""
    return {"transport": "ipc", "ip": str(folder / "kernel")} if hasattr(socket, "AF_UNIX") else {}


def page_of(notebook: Any) -> str:
    """As HTML that runs nothing and fetches nothing from anywhere: it forbids itself what Jupyter's template would."""
    text, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook)
    return str(text).replace("<head>", f"<head>{_NOTHING_FROM_ELSEWHERE}", 1)


def strip(path: Path) -> bool:
    """Take out of the file what an execution leaves in it; returns whether there was anything."""
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=_FORMAT)
    notebook.metadata = nbformat.from_dict(_METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    after = nbformat.writes(notebook) + "\n"
    if after == before:
        return False
    path.write_text(after, encoding="utf-8")
    return True
