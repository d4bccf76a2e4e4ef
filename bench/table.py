"""The table that the benchmarks print, and its place in docs/performance.md."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.wrk import CONNECTIONS, Run

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
LINE = "| {} | {} | {} | {} | {} | {} | {} | {} |\n"
METHOD = f"""\
Load from wrk, one thread, {CONNECTIONS} keep-alive connections, sharing two cores with the server and its
database. Each figure is the median of three runs (lowest to highest in brackets), the reference measured in
between."""


@dataclass(frozen=True)
class Row:
    """A line of the table, ready to print."""

    figure: str
    target: str
    ours: str
    reference: str
    ratio: str
    p50: str
    p99: str
    met: bool

    def __str__(self) -> str:
        verdict = "met" if self.met else "**missed**"
        return LINE.format(self.figure, self.target, self.ours, self.reference, self.ratio, self.p50, self.p99, verdict)


def compare(title: str, least: float, reference: Sequence[Run], ours: Sequence[Run], p99: float | None = None) -> Row:
    """The row for two series of runs: the ratio of their medians against the least that it should be."""
    ratio = middle(reference, "rate") and middle(ours, "rate") / middle(reference, "rate")
    slow = middle(ours, "p99")
    rates = [run.rate for run in ours]
    return Row(
        title,
        f"≥ {least:.2f}" + (f", p99 < {p99:g} ms" if p99 else ""),
        f"{middle(ours, 'rate'):,.0f}/s ({min(rates):,.0f} to {max(rates):,.0f})",
        f"{middle(reference, 'rate'):,.0f}/s",
        f"{ratio:.3f}",
        f"{middle(ours, 'p50'):.1f} ms",
        f"{slow:.1f} ms",
        met=ratio >= least and (p99 is None or slow < p99),
    )


def middle(runs: Sequence[Run], name: str) -> float:
    return float(statistics.median(getattr(run, name) for run in runs))


def markdown(rows: Sequence[Row], reference: str) -> str:
    head = LINE.format("figure", "target", "ours", reference, "ratio", "p50", "p99", "verdict")
    return head + "|---|---|--:|--:|--:|--:|--:|---|\n" + "".join(map(str, rows))


def write(name: str, text: str) -> None:
    """Put the text between the page's markers of the name; what people wrote around them stays."""
    begin, end = f"<!-- bench {name}: begin -->\n", f"<!-- bench {name}: end -->\n"
    page = PAGE.read_text() if PAGE.exists() else "# Performance\n"
    if begin not in page:
        page += f"\n{begin}{end}"
    before, rest = page.split(begin, 1)
    after = rest.split(end, 1)[1]
    PAGE.write_text(f"{before}{begin}{text}{end}{after}")


def machine() -> str:
    """Where, with what and when the figures were taken."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "httptools", "starlette", "apsw"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cpu()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB of memory; "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}; "
        f"{packages}; {datetime.now(UTC):%Y-%m-%d}.\n"
    )


def cpu() -> str:
    known = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", known.read_text()) if known.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()
