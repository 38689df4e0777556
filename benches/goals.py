"""The table that `make bench` prints: each goal, what was reached, and whether that meets it."""

import statistics

from harness import spread

BULK_SIZES = {"1 MiB": 1 << 20, "16 MiB": 16 << 20}
CLIENT_COUNTS = [1, 10, 100, 1000]
# How many are served by a thread each.
BUSY_FEW = 10


def gigabytes(result):
    return result["rate"] * result["bytes"] / 1e9


def millions(result):
    return result["rate"] / 1e6


class Table:
    """Rows of what, goal, reached, verdict. A verdict is by the median over the rounds."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.rows = [["what", "goal", "reached", "met"]]

    def add(self, what, goal, reached, met):
        self.rows.append([what, goal, reached, {True: "yes", False: "NO", None: "-"}[met]])

    def ratio(self, what, case, placement, bare, most, figure="p50_us", theirs=None):
        ours = (case, placement, "library")
        other = (theirs or case, placement, bare)
        if not (self.rounds.has(*ours) and self.rounds.has(*other)):
            return
        ratios = self.rounds.ratios(ours, other, figure)
        value, beside = self.rounds.median(*ours, figure), self.rounds.median(*other, figure)
        reached = f"{spread(ratios)}; {value:.2f} against {beside:.2f}"
        self.add(what, f"<= {most} x {bare}", reached, statistics.median(ratios) <= most)

    def least(self, what, case, placement, least, unit, figure):
        if not self.rounds.has(case, placement, "library"):
            return
        values = self.rounds.values(case, placement, "library", figure)
        beside = ""
        if self.rounds.has(case, placement, "spin"):
            beside = f"; spin {self.rounds.median(case, placement, 'spin', figure):.2f}"
        self.add(what, f">= {least} {unit}", spread(values) + beside, statistics.median(values) >= least)

    def most(self, what, case, field, most, unit, digits=1, scale=1):
        values = [value * scale for value in self.rounds.values(case, "default", "library", field)]
        if values:
            shown = spread(values, digits) if len(values) > 1 else f"{values[0]:.{digits}f}"
            self.add(what, f"<= {most} {unit}", shown, statistics.median(values) <= most)


def cores(placement):
    return "one core" if placement == "same" else "different cores"


def clients(table):
    rounds = table.rounds
    if not rounds.has("clients_1", "default", "library"):
        return
    ten = (f"clients_{BUSY_FEW}", "default", "library")
    for number in CLIENT_COUNTS:
        ours, loop = ((f"clients_{number}", "default", column) for column in ("library", "loop"))
        rate = rounds.median(*ours, "rate") / 1e3
        bare = rounds.median(*loop, "rate") / 1e3
        if number <= BUSY_FEW:
            table.add(f"{number} clients, thousand requests/s", "", f"{rate:.0f}; loop {bare:.0f}", None)
        else:
            ratios = rounds.ratios(ours, ten, "rate")
            table.add(f"{number} clients: total rate beside that of {BUSY_FEW}", ">= 0.9",
                      f"{spread(ratios)}; {rate:.0f} thousand/s", statistics.median(ratios) >= 0.9)
            ratios = rounds.ratios(ours, loop, "rate")
            table.add(f"{number} clients: total rate beside a bare loop's", "", f"{spread(ratios)}; loop {bare:.0f} thousand/s", None)
        if number == 1:
            continue
        for what, field in (("slowest beside the mean", "slowest_to_mean"),
                            ("slowest beside the mean in the first 100 ms", "first_slowest_to_mean")):
            fair = rounds.values(*ours, field)
            table.add(f"{number} clients: {what}", ">= 0.5", spread(fair), statistics.median(fair) >= 0.5)


def by_memory(table):
    """Messages by memory that both processes share, beside a bare ring with the same waiting."""
    rounds = table.rounds
    for placement, most in (("cross", 2.0), ("same", 1.5)):
        ours, ring = (("memory_roundtrip", placement, column) for column in ("memory", "ring"))
        if not rounds.has(*ours):
            continue
        ratios = rounds.ratios(ours, ring, "p50_us")
        table.add(f"by memory: round trip 64 B, {cores(placement)}, p50 us", f"<= {most} x ring",
                  f"{spread(ratios)}; {rounds.median(*ours, 'p50_us'):.2f} against {rounds.median(*ring, 'p50_us'):.2f}",
                  statistics.median(ratios) <= most)
    figures = [("64 in flight, 64 B", "memory_pipeline", 0.3, "M/s", millions),
               ("one-way, then flush, 64 B", "memory_oneway", 0.3, "M/s", millions)]
    figures += [(f"{name} bodies", f"memory_bulk_{name}", 0.8, "GB/s", gigabytes) for name in BULK_SIZES]
    for what, case, least, unit, figure in figures:
        for placement in ("cross", "same"):
            ours, ring = ((case, placement, column) for column in ("memory", "ring"))
            if not rounds.has(*ours):
                continue
            ratios = rounds.ratios(ours, ring, figure)
            table.add(f"by memory: {what}, {cores(placement)}, {unit}", f">= {least} x ring",
                      f"{spread(ratios)}; {rounds.median(*ours, figure):.2f} against {rounds.median(*ring, figure):.2f}",
                      statistics.median(ratios) >= least)


def rows(rounds):
    table = Table(rounds)
    table.ratio("round trip 64 B, Unix, different cores, p50 us", "roundtrip", "cross", "spin", 1.15)
    table.ratio("round trip 64 B, Unix, one core, p50 us", "roundtrip", "same", "block", 1.2)
    if rounds.has("roundtrip", "same", "library"):
        tails = rounds.values("roundtrip", "same", "library", lambda result: result["p99_us"] / result["p50_us"])
        table.add("the same: p99 beside its p50", "<= 3", spread(tails), statistics.median(tails) <= 3)
    for placement in ("same", "cross"):
        for share in ("p50", "p99"):
            table.ratio(f"the same with a busy process on each core, {cores(placement)}, {share} us", "busy", placement,
                        "block", 1.2, f"{share}_us")
    table.ratio("round trip 64 B, TCP, different cores, p50 us", "roundtrip_tcp", "cross", "spin", 1.15)
    for placement in ("cross", "same"):
        table.least(f"64 in flight, 64 B, {cores(placement)}", "pipeline", placement, 5, "M/s", millions)
    for placement in ("cross", "same"):
        table.least(f"one-way, then flush, 64 B, {cores(placement)}", "oneway", placement, 10, "M/s", millions)
    for name in BULK_SIZES:
        for placement in ("cross", "same"):
            table.least(f"{name} bodies, {cores(placement)}", f"bulk_{name}", placement, 5, "GB/s", gigabytes)
    by_memory(table)
    table.ratio("one-shot post, pooled session, different cores, p50 us", "post", "cross", "spin", 1.15, theirs="roundtrip")
    table.ratio("one-shot post, pooled session, one core, p50 us", "post", "same", "block", 1.2, theirs="roundtrip")
    for placement in ("same", "cross"):
        table.ratio(f"one-shot on the Deno wire, {cores(placement)}, p50 us", "deno", placement, "block", 1.3,
                    theirs="oneshot")
    clients(table)
    table.most("1000 idle sessions: processor time", "idle", "cpu_percent", 0, "%", 4)
    table.most("1000 idle sessions: wake-ups a minute", "idle", "wakeups_a_minute", 0, "")
    table.ratio("processor time a request, one core, us", "roundtrip", "same", "block", 1.5, "cpu_s_per_million")
    if rounds.has("roundtrip", "cross", "library"):
        ours = rounds.median("roundtrip", "cross", "library", "cpu_s_per_million")
        block = rounds.median("roundtrip", "cross", "block", "cpu_s_per_million")
        table.add("the price of polling: processor time a request, different cores, us", "",
                  f"{ours:.2f}; block {block:.2f}", None)
    table.most("memory of a listener after its start", "idle", "rss_start_kib", 5, "MiB", 2, 1 / 1024)
    table.most("memory for each idle session", "idle", "kib_a_session", 20, "KiB")
    table.most("first post of a fresh process, over an empty program", "first", "over_us", 1000, "us", 0)
    return table.rows
