"""What a soak measures of a process, whether it grew, and the plot of it. README.md says what counts as flat."""

import dataclasses
import os
from xml.sax.saxutils import escape

#: The first part of a run is warm-up: caches, pools and garbage collectors fill.
WARM_UP = 0.4
#: More points than this make no better line.
MOST_POINTS = 150
COLOURS = [
    "#0b6e99",
    "#c2410c",
    "#4d7c0f",
    "#7e22ce",
    "#b91c1c",
    "#0f766e",
    "#a16207",
    "#475569",
    "#db2777",
    "#1d4ed8",
    "#84cc16",
    "#f59e0b",
]


@dataclasses.dataclass
class Sample:
    seconds: float
    #: Memory that is the process's own and resident, in KiB.
    memory: int
    descriptors: int
    threads: int


def sample(process_id, seconds):
    with open(f"/proc/{process_id}/status", encoding="ascii", errors="replace") as file:
        fields = dict(line.split(":", 1) for line in file)
    return Sample(
        seconds, int(fields["RssAnon"].split()[0]), len(os.listdir(f"/proc/{process_id}/fd")), int(fields["Threads"])
    )


@dataclasses.dataclass
class Allowance:
    """By how much the second half after the warm-up may lie above the first half."""

    share: float
    least: int


#: Of the memory of a process, and of one with a garbage collector, which may let its heap grow as long as it likes.
MEMORY, COLLECTED = Allowance(0.05, 1024), Allowance(0.15, 16 * 1024)
#: Descriptors come and go by the connection, threads by the burst.
DESCRIPTORS, THREADS = Allowance(0, 3), Allowance(0, 3)


def growth(values):
    """The medians of both halves of what comes after the warm-up."""
    steady = values[int(len(values) * WARM_UP) :]
    if len(steady) < 4:
        raise ValueError(f"{len(values)} samples are too few")
    middle = len(steady) // 2

    def median(part):
        return sorted(part)[len(part) // 2]

    return median(steady[:middle]), median(steady[middle:])


def grew(values, allowance):
    """How it grew, in words, or None where it is flat after the warm-up."""
    before, after = growth(values)
    if after > before + max(allowance.least, before * allowance.share):
        return f"from {before} to {after}"
    return None


def verdicts(samples, collected):
    """What grew in one process."""
    limits = {"memory": COLLECTED if collected else MEMORY, "descriptors": DESCRIPTORS, "threads": THREADS}
    for what, allowance in limits.items():
        how = grew([getattr(s, what) for s in samples], allowance)
        if how:
            yield f"{what}{', KiB,' if what == 'memory' else ''} {how}"


def chart(title, series, top, width=900, height=220):
    """One chart as SVG elements. `series`: points (seconds, value) by name."""
    left, right, upper, lower = 70, 130, top + 30, top + height - 25
    end = max(points[-1][0] for points in series.values()) or 1
    highest = max(max(value for _, value in points) for points in series.values()) * 1.1 or 1
    yield f'<text x="{left}" y="{top + 18}" font-size="14" font-weight="bold">{escape(title)}</text>'
    warm = left + (width - left - right) * WARM_UP
    yield (
        f'<rect x="{left}" y="{upper}" width="{warm - left:.0f}" height="{lower - upper}" fill="#f1f5f9"/>'
        f'<text x="{left + 6}" y="{upper + 14}" fill="#64748b">warm-up</text>'
    )
    for step in range(5):
        value, y = highest * step / 4, lower - (lower - upper) * step / 4
        yield f'<line x1="{left}" y1="{y:.1f}" x2="{width - right}" y2="{y:.1f}" stroke="#cbd5e1"/>'
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>'
    for share in (0, 0.5, 1):
        x = left + (width - left - right) * share
        yield f'<text x="{x:.0f}" y="{lower + 16}" text-anchor="middle">{end * share:.0f} s</text>'
    for index, (name, all_points) in enumerate(series.items()):
        points = all_points[:: -(-len(all_points) // MOST_POINTS)]
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(
            f"{left + (width - left - right) * seconds / end:.1f},{lower - (lower - upper) * value / highest:.1f}"
            for seconds, value in points
        )
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        yield f'<text x="{width - right + 10}" y="{upper + 12 + 16 * index}" fill="{colour}">{escape(name)}</text>'


def plot(processes, title):
    """The whole picture; `processes`: samples by name."""
    parts = []
    for index, (what, unit) in enumerate(
        [("memory", "own memory, MiB"), ("descriptors", "descriptors"), ("threads", "threads")]
    ):
        series = {
            name: [(s.seconds, s.memory / 1024 if what == "memory" else getattr(s, what)) for s in samples]
            for name, samples in processes.items()
        }
        parts += chart(unit, series, 30 + 230 * index)
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 730" font-family="sans-serif" font-size="11">',
            '<rect width="900" height="730" fill="white"/>',
            f'<text x="20" y="22" font-size="15">{escape(title)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )
