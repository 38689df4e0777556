"""A thermostat: moves the temperature to its target, publishes each change, and takes another target.

thermostat.py [SECONDS]    between two steps: 0.5 unless given; until Ctrl-C or SIGTERM
"""

import signal
import sys
import threading

import simple_ipc

stop = threading.Event()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: stop.set())
pause = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5

lock = threading.Lock()
state = {"temperature": 18.0, "target": 20.0}


def set_target(target):
    if not isinstance(target, int | float) or isinstance(target, bool) or not 5 <= target <= 30:
        raise simple_ipc.HandlerError("a target is a number from 5 to 30", code="no_such_target")
    with lock:
        state["target"] = float(target)
        thermostat.publish(state, topic="reading")
        return state


def step():
    with lock:
        away = state["target"] - state["temperature"]
        if away:
            state["temperature"] += max(-0.5, min(0.5, away))
            thermostat.publish(state, topic="reading")


# With `retain` whoever subscribes gets the last reading first.
with lock:
    thermostat = simple_ipc.listen_uds_request("thermostat", {"set": set_target}, publish=True, retain=True)
with thermostat:
    print("ready", flush=True)
    thermostat.publish(state, topic="reading")
    while not stop.wait(pause):
        step()
