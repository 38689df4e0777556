"""Four processes square the numbers 0 to 99 that a dispatcher spreads over them."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import simple_ipc

WORKERS = 4


def work(name: str, stop: "multiprocessing.synchronize.Event") -> None:
    with simple_ipc.listen_uds_request(name, lambda number: number * number):
        stop.wait()


def square(number: int) -> int:
    return simple_ipc.post_uds_request(f"worker_{number % WORKERS}", number, wait=30)


def main() -> None:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    workers = [context.Process(target=work, args=(f"worker_{index}", stop)) for index in range(WORKERS)]
    for worker in workers:
        worker.start()
    with ThreadPoolExecutor(WORKERS) as dispatcher:
        print(sum(dispatcher.map(square, range(100))))
    stop.set()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
