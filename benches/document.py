#!/usr/bin/env python3
"""Writes docs/performance.md and its plots from what `make bench` and `make bench-peers` left: results.json, peers.json.

`make bench-docs` measures (with the sweep over sizes that the plots need) and calls this, with the Python of .venv, into
which matplotlib is installed in a pinned version. `benches/performance.in.md` holds the text round the figures.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import goals
import harness
import peers

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = {"library": "Simple IPC", "spin": "bare C, polls then blocks", "block": "bare C, blocks"}
COLOURS = {"library": "#0b6e99", "spin": "#999999", "block": "#444444"}


def load(path):
    document = json.loads(path.read_text())
    rounds = harness.Rounds()
    for entries in document["rounds"]:
        rounds.begin()
        for entry in entries:
            rounds.keep(entry["case"], entry["placement"], entry["column"], entry)
    return document, rounds


def figure_of(title, x_label, y_label):
    import matplotlib
    matplotlib.use("svg")
    # The same bytes for the same figures: no date, no random names.
    matplotlib.rcParams.update({"svg.hashsalt": "simple-ipc", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3})
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    return figure, axes


def save(figure, axes, path):
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    # Tools that look for white space at line ends find some in what matplotlib writes.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def plot_latency(rounds, others, path):
    figure, axes = figure_of("64 B there and back, different processors", "share of requests, %", "us at most (log)")
    series = [(rounds, "roundtrip", column, name, COLOURS[column], "-") for column, name in COLUMNS.items()]
    if others:
        for name in ("libzmq", "nng", "iceoryx2, by event", "ipc-channel", "tarpc"):
            series.append((others, "roundtrip", name, name, None, "--"))
    for source, case, column, name, colour, style in series:
        results = source.values(case, "cross", column, "percentiles")
        if results:
            shares = sorted(results[0], key=float)
            medians = [statistics.median(result[share] for result in results) for share in shares]
            # So scaled that 90, 99 and 99.9 % stand equally far apart: the tail is what matters.
            axes.plot([1 / (1 - float(share) / 100) for share in shares], medians, style, color=colour, label=name)
    axes.set(xscale="log", yscale="log")
    axes.set_xticks([2, 10, 100, 1000, 10000], ["50", "90", "99", "99.9", "99.99"])
    save(figure, axes, path)


def sizes_of(rounds):
    cases = {case for a_round in rounds.rounds for case, _, _ in a_round if case.startswith("size_")}
    return sorted(int(case[5:]) for case in cases)


def plot_sizes(rounds, path):
    figure, axes = figure_of("Body there, 8 B back, one in flight, different processors", "bytes of a body (log)", "GB/s (log)")
    for column, name in COLUMNS.items():
        points = [(size, rounds.median(f"size_{size}", "cross", column, goals.gigabytes))
                  for size in sizes_of(rounds) if rounds.has(f"size_{size}", "cross", column)]
        axes.plot(*zip(*points), marker="o", markersize=3, color=COLOURS[column], label=name)
    axes.set(yscale="log")
    axes.set_xscale("log", base=2)
    axes.set_xticks([1, 64, 1 << 12, 1 << 18, 1 << 20, 1 << 24, 1 << 26], ["1", "64", "4 Ki", "256 Ki", "1 Mi", "16 Mi", "64 Mi"])
    save(figure, axes, path)


def plot_clients(rounds, path):
    figure, axes = figure_of("Clients of one listener, each posting 64 B as fast as it can", "clients (log)", "thousand requests/s, all together")
    values = {number: rounds.values(f"clients_{number}", "default", "library", "rate") for number in goals.CLIENT_COUNTS}
    numbers = [number for number in goals.CLIENT_COUNTS if values[number]]
    middle = [statistics.median(values[number]) / 1e3 for number in numbers]
    axes.plot(numbers, middle, marker="o", color=COLOURS["library"], label="median over the rounds")
    axes.fill_between(numbers, [min(values[number]) / 1e3 for number in numbers],
                      [max(values[number]) / 1e3 for number in numbers], alpha=0.2, color=COLOURS["library"], label="least to most")
    axes.set(xscale="log", ylim=(0, None))
    axes.set_xticks(numbers, [str(number) for number in numbers])
    save(figure, axes, path)


def about(document, what):
    machine = document["machine"]
    virtual = ", a virtual machine" if machine["virtual"] else ""
    return (f"{what}: `{document['command']}`, {len(document['rounds'])} round{'s' * (len(document['rounds']) != 1)}, {document['date']}, on {machine['processors']} "
            f"processors ({machine['processor']}{virtual}), {machine['memory_gib']} GiB, {machine['kernel']}; "
            f"{machine['compiler']}; {machine['rustc']}. Load before it began: {machine['load_before']:.1f}.")


def ahead(rounds):
    """Where a peer's figure is better than this library's, told by the figures alone."""
    found = []
    for what, title in peers.TITLES.items():
        for placement, words in (("same", "on one processor"), ("cross", "on different processors")):
            names = sorted({column for a_round in rounds.rounds for case, at, column in a_round if (case, at) == (what, placement)})
            for name in names:
                ratio = peers.beside(rounds, what, placement, name)
                if not name.startswith(("bare", "Simple")) and ratio != "-" and float(ratio) < 0.95:
                    found.append(f"- {title.split(':')[0]}, {words}: {name}, by a factor of {1 / float(ratio):.2f}")
    return found or ["- nowhere in this run"]


def main():
    parser = argparse.ArgumentParser(description="Write docs/performance.md from results.")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--peers", type=Path)
    arguments = parser.parse_args()
    document, rounds = load(arguments.results)
    others_document, others = load(arguments.peers) if arguments.peers and arguments.peers.exists() else (None, None)

    folder = ROOT / "docs/performance"
    folder.mkdir(exist_ok=True)
    plot_latency(rounds, others, folder / "latency.svg")
    plot_sizes(rounds, folder / "sizes.svg")
    plot_clients(rounds, folder / "clients.svg")

    run, tables, leads = [about(document, "The goals")], [], []
    if others:
        run.append(about(others_document, "The peers"))
        names = list(dict.fromkeys(column for a_round in others.rounds for _, _, column in a_round))
        for title, rows in peers.report(others, names, ["same", "cross"]):
            tables += [f"**{title}**", "", *harness.markdown(rows), ""]
        tables.append("Versions: " + ", ".join(f"{name} {version}" for name, version in others_document["versions"].items()) + ".")
        for name, why in others_document.get("left_out", {}).items():
            tables.append(f"Left out since it failed: {name} ({why}).")
        leads = ahead(others)
    text = (ROOT / "benches/performance.in.md").read_text()
    parts = {"RUN": "\n\n".join(run), "GOALS": "\n".join(harness.markdown(goals.rows(rounds))),
             "PEERS": "\n".join(tables), "AHEAD": "\n".join(leads)}
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    (ROOT / "docs/performance.md").write_text(text)
    print("bench-docs: wrote docs/performance.md and docs/performance/*.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
