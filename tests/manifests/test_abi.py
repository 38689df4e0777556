"""tools/abi.py lets the C interface grow, and refuses what a program that was linked with the last version would miss."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from tests.manifests.copy_of import copy_of_sources


class CInterface(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = copy_of_sources(scratch.name)
        self.header = self.root / "include/simple_ipc.h"
        self.git("init", "--quiet")
        self.commit()
        self.git("tag", "v0.0.1")

    def git(self, *arguments):
        who = ["-c", "user.name=nobody", "-c", "user.email=nobody@nowhere.invalid", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "all")

    def edit(self, pattern, replacement):
        text, count = re.subn(pattern, replacement, self.header.read_text(), count=1, flags=re.DOTALL)
        self.assertEqual(count, 1, pattern)
        self.header.write_text(text)

    def compare(self):
        self.commit()
        return subprocess.run(["tools/abi.py"], cwd=self.root, capture_output=True, text=True)

    def taken(self, *said):
        done = self.compare()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for words in said:
            self.assertIn(words, done.stdout)

    def refused(self, *said):
        done = self.compare()
        self.assertEqual(done.returncode, 1, done.stdout)
        for words in said:
            self.assertIn(words, done.stdout)

    def test_the_same_header_is_taken(self):
        self.taken("against v0.0.1: 0 changed, 0 added")

    def test_without_a_tag_it_says_that_nothing_was_compared(self):
        self.git("tag", "--delete", "v0.0.1")
        self.taken("no tag vX.Y.Z to compare with")

    def test_what_is_added_is_taken(self):
        self.edit(r"\nsipc_status sipc_listener_close\(", r"\nsipc_status sipc_listener_frobnicate(int32_t how);\g<0>")
        self.edit(r"#define SIPC_OK 0\n", r"\g<0>#define SIPC_FROBNICATED 999\n")
        self.taken("0 changed, 2 added")

    def test_a_function_that_has_gone_is_refused(self):
        self.edit(r"\nsipc_status sipc_listener_close\([^;]*;", "")
        self.refused("sipc_listener_close has gone")

    def test_another_parameter_is_refused(self):
        self.edit(r"(\nsipc_status sipc_listener_close\()", r"\1int32_t how, ")
        self.refused("sipc_listener_close was")

    def test_another_number_is_refused(self):
        self.edit(r"#define SIPC_CLOSED 106", "#define SIPC_CLOSED 107")
        self.refused("SIPC_CLOSED was `106` and is `107`")

    def test_a_type_that_changes_is_refused(self):
        self.edit(r"typedef int32_t sipc_status;", "typedef int64_t sipc_status;")
        self.refused("sipc_status was")

    def test_a_structure_grows_only_where_it_was_said_that_it_may(self):
        self.edit(r"\} sipc_counters;", "    uint64_t frobnications;\n} sipc_counters;")
        self.taken("0 changed, 1 added")
        self.edit(r"\} sipc_body;", "    size_t more;\n} sipc_body;")
        self.refused("sipc_body has grown")

    def test_fields_in_another_order_are_refused(self):
        self.edit(r"typedef struct \{(\s*/\*\*[^}]*?size_t size;)", r"typedef struct {\n    uint64_t first;\1")
        self.refused("sipc_counters has other fields")

    def test_comments_and_white_space_change_nothing(self):
        self.edit(r"\nsipc_status sipc_listener_close\(", "\n/* } ; { */ sipc_status  sipc_listener_close(")
        self.taken("0 changed, 0 added")

    def test_a_grown_abi_number_lets_everything_change(self):
        self.edit(r"\nsipc_status sipc_listener_close\([^;]*;", "")
        number = self.root / "ffi/abi_version"
        number.write_text(f"{int(number.read_text()) + 1}\n")
        self.taken("sipc_listener_close has gone", "1 changed")


if __name__ == "__main__":
    unittest.main()
