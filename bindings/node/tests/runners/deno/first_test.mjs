import { ask, talk } from "../scenario.cjs";

Deno.test("a listener is asked", () => ask("deno_first"));
Deno.test("channels are used and closed", () => talk("deno_first"));
