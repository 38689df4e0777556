"use strict";

const { ask, talk } = require("../scenario.cjs");

test("a listener is asked", () => ask("jest_second"));
test("channels are used and closed", () => talk("jest_second"));
