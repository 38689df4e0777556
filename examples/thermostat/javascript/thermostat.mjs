// A thermostat: moves the temperature to its target, publishes each change, and takes another target.
//
// thermostat.mjs [SECONDS]   between two steps: 0.5 unless given; until Ctrl-C or SIGTERM
import process from "node:process";
import { HandlerError, listenUdsRequest } from "simple-ipc";

const state = { temperature: 18, target: 20 };
const publish = () => thermostat.publish(state, { topic: "reading" });

async function set(target) {
    if (typeof target !== "number" || !(target >= 5 && target <= 30)) {
        throw new HandlerError("a target is a number from 5 to 30", { code: "no_such_target" });
    }
    state.target = target;
    await publish();
    return state;
}

// With `retain` whoever subscribes gets the last reading first.
const thermostat = listenUdsRequest("thermostat", { set }, { publish: true, retain: true });
await publish();
const timer = setInterval(
    () => {
        const away = state.target - state.temperature;
        if (away === 0) return;
        state.temperature += Math.max(-0.5, Math.min(0.5, away));
        void publish();
    },
    Number(process.argv[2] ?? 0.5) * 1000,
);

async function end() {
    clearInterval(timer);
    await thermostat.close();
}
process.on("SIGTERM", end).on("SIGINT", end);
console.log("ready");
