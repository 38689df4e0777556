"""The book: it builds with its links checked, and in Chromium its tabs show one language at a time and its search finds pages."""

import os
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from tests.examples.browser import CHROMIUM, Browser
from tests.readme.pages import ROOT

# A watchdog for a browser that hangs; it is not a limit on how long one may take.
HANG_SECONDS = 300


class Book(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = Path(scratch.name) / "book"
        done = subprocess.run([ROOT / "tools/book.sh", cls.folder], capture_output=True, text=True, timeout=HANG_SECONDS)
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        cls.said = done.stdout

    def opened(self, page):
        if not CHROMIUM and "CI" not in os.environ:
            self.skipTest("a page in a browser needs chromium")
        browser = Browser()
        self.addCleanup(browser.close)
        watchdog = threading.Timer(HANG_SECONDS, browser.process.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        browser.open((self.folder / page).as_uri())
        browser.until("document.readyState === 'complete' && document.querySelector('main')")
        return browser

    def test_every_link_inside_it_leads_somewhere(self):
        self.assertIn("every link inside them leads somewhere", self.said)

    def test_tabs_show_one_language_at_a_time_and_keep_the_choice(self):
        browser = self.opened("start.html")
        shown = "[...document.querySelectorAll('.tabs')].map(g => [...g.querySelectorAll('.tab')].filter(t => !t.hidden).length)"
        browser.until("document.querySelector('.tab-names button')")
        self.assertEqual(browser.run(shown), [1, 1])
        browser.run("[...document.querySelectorAll('.tab-names button')].find(b => b.textContent === 'C++').click()")
        chosen = "[...document.querySelectorAll('.tab-names button[aria-selected=true]')].map(b => b.textContent)"
        self.assertEqual(browser.run(chosen), ["C++", "C++"])
        self.assertEqual(browser.run(shown), [1, 1])
        self.assertEqual(browser.run("localStorage.getItem('simple-ipc-language')"), "C++")

    def test_each_language_of_the_first_page_has_its_tab(self):
        browser = self.opened("start.html")
        browser.until("document.querySelector('.tab-names button')")
        names = browser.run("[...document.querySelector('.tab-names').children].map(b => b.textContent)")
        self.assertEqual(names, ["Python", "JavaScript", ".NET", "C", "C++", "Rust", "Shell"])

    def test_search_knows_the_names_of_errors(self):
        index = next(self.folder.glob("searchindex*.js")).read_text()
        for name in ("too_slow", "peer_not_allowed"):
            self.assertIn(name, index)


if __name__ == "__main__":
    unittest.main()
