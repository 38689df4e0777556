"""A service and its command: keeps notes as long as it runs.

daemon.py start            in the foreground, until Ctrl-C, SIGTERM or `stop`
daemon.py add TEXT…        adds a note
daemon.py list             prints them
daemon.py status           says whether it runs, and how many requests it has had
daemon.py stop             has it end when it has answered what it took
"""

import signal
import sys
import threading

import simple_ipc

CHANNEL = "notes"


def start():
    notes = []
    lock = threading.Lock()
    stop = threading.Event()

    def add(text):
        with lock:
            notes.append(text)
            return len(notes)

    def list_notes():
        with lock:
            return list(notes)

    def status():
        return {"notes": len(notes), "requests": server.counters.messages}

    def end():
        stop.set()

    try:
        server = simple_ipc.listen_uds_request(CHANNEL, {"add": add, "list": list_notes, "status": status, "stop": end})
    except simple_ipc.InUseError as error:
        # One instance: listening is the lock.
        sys.exit(f"already running: {error}")
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with server:
        print("ready", flush=True)
        stop.wait()
    # Leaving `with` has closed it: what was taken is answered, the channel's files are gone.
    print("stopped")


def main(arguments):
    match arguments:
        case ["start"]:
            return start()
        case ["add", *words] if words:
            call, parameters = "add", [" ".join(words)]
        case [("list" | "status" | "stop") as call]:
            parameters = []
        case _:
            sys.exit(__doc__)
    try:
        with simple_ipc.connect(CHANNEL) as client:
            answer = client.call(call, *parameters)
    except simple_ipc.NotListeningError:
        sys.exit("not running: daemon.py start")
    match call:
        case "add":
            print(f"note {answer}")
        case "list":
            for number, note in enumerate(answer, 1):
                print(f"{number}. {note}")
        case "status":
            print(f"running with {answer['notes']} notes")
        case "stop":
            print("stopping")
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
