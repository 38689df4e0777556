"use strict";

const { ask, talk } = require("../scenario.cjs");

test("a listener is asked", () => ask("jest_first"));
test("channels are used and closed", () => talk("jest_first"));
