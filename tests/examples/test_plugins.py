"""examples/plugins: a host in C with plug-ins in .NET and Python, of which some crash, hang and refuse."""

import unittest

from tests.examples.programs import Application


class Plugins(Application):
    name = "plugins"

    def host(self, plugins):
        """What the host prints with plug-ins of these kinds, each a program and its kind."""
        words, environment = [], {}
        for program, kind in plugins:
            words += ["--", *program.command, kind]
            environment.update(program.environment)
        printed = self.run_program(self.c("host"), 'say "hello"', *words, **environment)
        return printed.splitlines()

    def of_each_kind(self, program, language):
        kinds = ["upper", "reversed", "broken", "slow", "picky"]
        upper, backwards, broken, slow, picky = self.host([(program, kind) for kind in kinds])
        self.assertEqual(upper, f'upper ({language}): SAY "HELLO"')
        self.assertEqual(backwards, f'reversed ({language}): "olleh" yas')
        self.assertEqual(broken, f'broken ({language}): connection_lost; the text stays: say "hello"')
        self.assertEqual(slow, f'slow ({language}): timed_out; the text stays: say "hello"')
        self.assertIn("I do not like this text", picky)
        self.assertTrue(picky.endswith('; the text stays: say "hello"'), picky)

    def test_dotnet_plugins_that_crash_or_hang_take_nothing_with_them(self):
        self.of_each_kind(self.dotnet("Plugin"), ".NET")

    def test_python_plugins_that_crash_or_hang_take_nothing_with_them(self):
        self.of_each_kind(self.python("plugin"), "Python")

    def test_plugins_of_both_languages_side_by_side(self):
        printed = self.host([(self.dotnet("Plugin"), "upper"), (self.python("plugin"), "upper")])
        self.assertEqual(printed, ['upper (.NET): SAY "HELLO"', 'upper (Python): SAY "HELLO"'])


if __name__ == "__main__":
    unittest.main()
