"""In: progress and a report. Out: bars and tables on the terminal."""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from training.card import gates
from training.evaluation import Report


class Bars:
    """Progress bars; a context manager."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, what: str, total: int) -> None:
        """A new bar."""
        self._task = self._progress.add_task(what, total=total)

    def reach(self, done: int) -> None:
        """Move the newest bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=done)


def print_report(console: Console, report: Report) -> None:
    """The figures by cohort and by family, and which targets are reached."""
    table = Table(title="Crises (observable) found; false alarms and pauses an hour; seconds to the alarm")
    for heading in ("test", "events", "pause", "alarm", "pauses/h", "alarms/h", "median", "p95", "ECE", "state acc."):
        table.add_column(heading, justify="left" if heading == "test" else "right")
    for c in report.cohorts:
        p, a = c.pauses, c.alarms
        table.add_row(
            c.name,
            str(p.events),
            f"{p.sensitivity:.2f} ({p.low:.2f}–{p.high:.2f})",
            f"{a.sensitivity:.2f} ({a.low:.2f}–{a.high:.2f})",
            f"{p.false_alarms_per_hour:.2f}",
            f"{a.false_alarms_per_hour:.2f}",
            f"{a.median_delay_s:.1f}",
            f"{a.p95_delay_s:.1f}",
            f"{c.crisis_error:.3f}",
            f"{c.state_accuracy:.3f}",
        )
        for family, s in c.families.items():
            found = f"{s.sensitivity:.2f}" if s.events else "–"
            table.add_row(f"  {family}", str(s.events), found, "", f"{s.false_alarms_per_hour:.2f}", style="dim")
    console.print(table)
    if report.controls is not None:
        console.print(f"Real speakers: {report.controls}")
    targets = Table(title="Targets")
    for heading in ("target", "reached", ""):
        targets.add_column(heading)
    for what, value, good, digits in gates(report):
        targets.add_row(what, f"{value:.{digits}f}", "[green]yes[/green]" if good else "[red]no[/red]")
    console.print(targets)
