"""Runs cases between drivers, one after the other, and counts them: what tests/publications and tests/streams share."""

import argparse
import os
import tempfile
import time
from pathlib import Path

import driving
import implementations
from driving import Failed


class Driver(driving.Driver):
    """One that is ended with its case, however that goes."""

    started = []

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Driver.started.append(self)

    @classmethod
    def end_all(cls):
        for driver in cls.started:
            if not driver.has_ended():
                driver.kill()
        cls.started.clear()


def finish(*drivers):
    for driver in drivers:
        if not driver.close():
            raise Failed(f"{driver.implementation.name} did not end in order: {driver.last_words()}")


def run(subject, only, takes_part, cases_of, short, full):
    """The exit status. `cases_of` gives, for those who take part by name, each case's language (None where it has none of its
    own) and function, which is called with those who are there and the extent, and says what it has seen."""
    parser = argparse.ArgumentParser(description=f"What is promised of {subject}, between processes.")
    parser.add_argument("--full", action="store_true", help="the long form")
    parser.add_argument("--only", help=only)
    arguments = parser.parse_args()
    extent = full if arguments.full else short
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory(prefix=f"simple-ipc-{subject}-") as directory:
        os.environ["SIMPLE_IPC_DIR"] = directory
        os.environ["BUILT"] = str(Path(os.environ["STAGE"]) / "interop")
        Path(os.environ["BUILT"]).mkdir(parents=True, exist_ok=True)
        who = {one.name: one for one in implementations.all_of_them() if takes_part(one)}
        there = {name: one for name, one in who.items() if not one.missing}
        for name, (language, case) in cases_of(who).items():
            if arguments.only and arguments.only not in (name, name.split()[0]):
                continue
            if language and language not in there and not os.environ.get("CI"):
                print(f"{subject}: {name} left out: {who[language].missing}", flush=True)
                skipped += 1
                continue
            began = time.monotonic()
            try:
                told = case(there, extent)
                passed += 1
                print(f"ok - {name}: {told} ({time.monotonic() - began:.1f} s)", flush=True)
            except (Failed, OSError, KeyError, ValueError) as failure:
                failed += 1
                print(f"not ok - {name}: {failure}", flush=True)
            finally:
                Driver.end_all()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0
