"""A worker reports how far it is while it works. Leaving the loop would stop it at its next `yield`."""

import simple_ipc


def work(files):
    for done, _ in enumerate(files, 1):
        # Here it would do something with the file.
        yield {"done": done, "of": len(files)}


with simple_ipc.listen_uds_request("progress", work):
    for report in simple_ipc.post_uds_stream("progress", ["a", "b", "c"]):
        print(f"{report['done']} of {report['of']}")
