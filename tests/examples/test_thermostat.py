"""examples/thermostat: a page in Chromium shows readings as they come and sets the target; other pages cannot."""

import http.client
import os
import signal
import threading
import unittest

from tests.examples.browser import CHROMIUM, Browser
from tests.examples.programs import HANG_SECONDS, Application


def shows(element, text):
    return f"document.getElementById('{element}').textContent === '{text}'"


class Thermostat(Application):
    name = "thermostat"

    def ready(self, program, *arguments):
        process = self.start(program, *arguments)
        return process, process.stdout.readline().strip()

    def served(self, thermostat):
        page = self.folder / "javascript" / "page.html"
        self.assertTrue(page.exists())
        thermostat, said = self.ready(thermostat, "0.02")
        self.assertEqual(said, "ready")
        web, address = self.ready(self.javascript("web"))
        self.assertTrue(address.startswith("http://127.0.0.1:"), address)
        return thermostat, web, address

    def stopped(self, *processes):
        for process in processes:
            process.send_signal(signal.SIGTERM)
            self.end(process)
        self.nothing_left()

    def in_a_page(self, thermostat):
        if not CHROMIUM and "CI" not in os.environ:
            self.skipTest("a page in a browser needs chromium")
        thermostat, web, address = self.served(thermostat)
        browser = Browser()
        self.addCleanup(browser.close)
        # The page's waits have no limit of their own.
        watchdog = threading.Timer(HANG_SECONDS, browser.process.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        browser.open(address)
        browser.until(shows("temperature", "20.0"))
        browser.run("document.getElementById('wanted').value = '23'; document.querySelector('button').click()")
        browser.until(shows("target", "23.0"))
        browser.until(shows("temperature", "23.0"))
        browser.run(
            "document.querySelector('form').noValidate = true; document.getElementById('wanted').value = '99'; "
            "document.querySelector('button').click()"
        )
        browser.until("document.getElementById('said').textContent.includes('a target is a number from 5 to 30')")
        self.stopped(web, thermostat)

    def test_a_page_shows_what_the_python_thermostat_publishes_and_sets_its_target(self):
        self.in_a_page(self.python("thermostat"))

    def test_a_page_shows_what_the_javascript_thermostat_publishes_and_sets_its_target(self):
        self.in_a_page(self.javascript("thermostat"))

    def test_the_server_answers_to_its_own_address_and_takes_a_target_from_its_own_page(self):
        thermostat, web, address = self.served(self.javascript("thermostat"))
        place = address.removeprefix("http://").removesuffix("/")

        def status(method, path, **headers):
            connection = http.client.HTTPConnection(place, timeout=HANG_SECONDS)
            self.addCleanup(connection.close)
            connection.request(method, path, body="25" if method == "POST" else None, headers=headers)
            return connection.getresponse().status

        self.assertEqual(status("GET", "/"), 200)
        self.assertEqual(status("GET", "/", Host="somewhere.example"), 421)
        self.assertEqual(status("POST", "/target"), 403)
        self.assertEqual(status("POST", "/target", Origin="http://somewhere.example"), 403)
        self.assertEqual(status("POST", "/target", Origin=f"http://{place}"), 200)
        self.assertEqual(status("GET", "/other"), 404)
        self.stopped(web, thermostat)


if __name__ == "__main__":
    unittest.main()
