// A clock publishes its ticks; whoever subscribes gets those from then on, and is told if some were missed.
import { listenUdsPublish, subscribeUds } from "simple-ipc";

const clock = listenUdsPublish("clock");
const ticks = await subscribeUds("clock", { topics: ["tick"] });

await clock.publish("noon", { topic: "alarm" });
for (let n = 1; n <= 3; n++) await clock.publish({ n }, { topic: "tick" });

for await (const { data, missed } of ticks) {
    if (missed) console.log(`${missed} missed`);
    console.log(data.n);
    if (data.n === 3) break; // leaving the loop ends the subscription
}
await clock.close();
