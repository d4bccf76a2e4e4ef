"""Every figure beside a reference of the same run. `profile` and names show where the time of those goes."""

import argparse
import os
import sys
from collections.abc import Iterator

from bench import databases, idle, profile, pushes, realtime, store, table, webhooks, wrk
from bench.figures import FIGURES, measure
from bench.world import new_world

NAMES = [figure.name for figure in FIGURES]
WEBHOOKS = {"webhooks": "sqlite", "webhooks-postgres": "postgres"}
PUSHES = {"pushes": "sqlite", "pushes-postgres": "postgres"}
REALTIME = "realtime"
STORES = {"store": "sqlite", "store-postgres": "postgres"}
CORES = 2


def main() -> int:
    options = arguments()
    if not wrk.available():
        print("The benchmarks need wrk on the PATH: install it with your system's packages.", file=sys.stderr)
        return 1
    share_two_cores()
    seconds = 1 if options.quick else 4
    if "profile" in options.names:
        for figure in [figure for figure in FIGURES if figure.name in options.names] or FIGURES[:1]:
            print(profile.profile(figure, seconds * 2))
        return 0
    figures = list(small_rows(options.names, seconds))
    if figures:
        report("figures", figures, "bare uvicorn", write=options.write)
    hooked = [engine for name, engine in WEBHOOKS.items() if name in options.names]
    if hooked:
        rows = [row for engine in hooked for row in webhooks.rows(engine, seconds)]
        report("webhooks", rows, "without a webhook", write=options.write)
    pushed = [engine for name, engine in PUSHES.items() if name in options.names]
    if pushed:
        rows = [row for engine in pushed for row in pushes.rows(engine, seconds)]
        report("pushes", rows, "reference", write=options.write, method=pushes.METHOD)
    if REALTIME in options.names and (rows := list(realtime.rows(seconds))):
        report(REALTIME, rows, "reference", write=options.write, method=realtime.METHOD)
    for engine in [engine for name, engine in STORES.items() if name in options.names]:
        rows = list(store.rows(engine, options.messages, seconds))
        report(f"store {engine}", rows, "small store", write=options.write)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    extra = ["idle", *WEBHOOKS, *PUSHES, REALTIME, *STORES, "profile"]
    parser.add_argument("names", nargs="*", help=f"of {', '.join([*NAMES, *extra])}; else all but the last three")
    parser.add_argument("--quick", action="store_true", help="one second a run instead of four")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--messages", type=int, default=int(os.environ.get("BENCH_STORE") or 10_000_000))
    options = parser.parse_args()
    unknown = set(options.names) - {*NAMES, *extra}
    if unknown:
        parser.error(f"there is no figure {', '.join(sorted(unknown))}")
    if not options.names:
        options.names = [*NAMES, "idle", *WEBHOOKS, *PUSHES, REALTIME] + list(STORES) * ("BENCH_STORE" in os.environ)
    if options.write and set(options.names) & {*NAMES, "idle"} and not set(options.names) >= {*NAMES, "idle"}:
        parser.error("--write needs the whole table: name no single figure")
    return options


def share_two_cores() -> None:
    """Load, server and database share two cores, so that a figure means the same on a large machine."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def small_rows(names: list[str], seconds: int) -> Iterator[table.Row]:
    for engine in ("sqlite", "postgres"):
        wanted = [figure for figure in FIGURES if figure.engine == engine and figure.name in names]
        if not wanted:
            continue
        with databases.server(engine) as server:
            world = new_world(server)
            for figure in wanted:
                print(f"{figure.title} …", file=sys.stderr)
                yield measure(figure, world, seconds)
    if "idle" in names:
        yield from idle.rows()


def report(name: str, rows: list[table.Row], reference: str, *, write: bool, method: str = table.METHOD) -> None:
    text = table.markdown(rows, reference)
    print(text)
    print(f"{sum(row.met for row in rows)} of {len(rows)} targets met. {table.machine()}")
    if write:
        table.write(name, f"\n{method}\n\n{table.machine()}\n{text}\n")


if __name__ == "__main__":
    sys.exit(main())
