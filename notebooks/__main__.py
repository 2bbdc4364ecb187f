"""In: names of notebooks. Out: each executed, as a page in a folder; or stripped of what an execution left in it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nbclient.exceptions import CellExecutionError
from rich.console import Console

from notebooks.execution import all_notebooks, execute, page_of, strip
from notebooks.surroundings import FULL, SMALL, data_folder
from training.shown import Bars

PAGES: Final = Path("build") / "notebooks"
_EPILOG: Final = """examples:
  python -m notebooks                      all of them, as pages in build/notebooks
  python -m notebooks 04 --size small      one, on little data
  python -m notebooks --strip              take the outputs out of the files, before a commit
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where a cell failed, 2 where a name is no notebook's."""
    args = _parser().parse_args(arguments)
    console = Console()
    chosen = [path for path in all_notebooks() if not args.names or any(map(path.stem.startswith, args.names))]
    unknown = [name for name in args.names if not any(path.stem.startswith(name) for path in chosen)]
    if unknown:
        known = ", ".join(path.stem for path in all_notebooks())
        console.print(f"[red]no notebook begins with {', '.join(unknown)}: there are {known}[/red]")
        return 2
    if args.strip:
        changed = [path.name for path in chosen if strip(path)]
        console.print(f"stripped: {', '.join(changed)}" if changed else "nothing to strip", markup=False)
        return 0
    if data_folder() is None:
        console.print("The public data are not here: what needs them is left out (CONTRIBUTING.md, Notebooks).")
    return _run(chosen, args.size, args.out, console)


def _run(chosen: Sequence[Path], size: str, out: Path, console: Console) -> int:
    out.mkdir(parents=True, exist_ok=True)
    pages = []
    with Bars(console) as bars:
        bars.begin("notebooks", len(chosen))
        for number, path in enumerate(chosen, start=1):
            try:
                executed = execute(path, size=size)
            except CellExecutionError as problem:
                console.print(f"{path.name}: {problem}", markup=False)
                return 1
            pages.append(out / f"{path.stem}.html")
            pages[-1].write_text(page_of(executed), encoding="utf-8")
            bars.reach(number)
    for page in pages:
        console.print(str(page), markup=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m notebooks",
        description="Execute the notebooks and write them as pages.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="beginnings of names, such as 04 (default: all)")
    parser.add_argument("--size", choices=(SMALL, FULL), default=FULL, help="of what is simulated (default: full)")
    parser.add_argument(
        "--out", type=Path, default=PAGES, metavar="DIR", help="for the pages (default: build/notebooks)"
    )
    parser.add_argument("--strip", action="store_true", help="take outputs out of the files instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
