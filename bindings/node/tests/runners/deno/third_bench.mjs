import { talk } from "../scenario.cjs";

Deno.bench("channels are used and closed", { n: 5, warmup: 1 }, async () => {
    await talk("deno_bench");
});
