"""Threads that outlive a fault, and finish what was queued while they stop."""

from consent_tokens.web.request_pool import RequestPool


def test_a_fault_costs_no_thread() -> None:
    pool = RequestPool("test", threads=1, max_waiting=10)
    done: list[str] = []

    def fail() -> None:
        raise OSError(28, "No space left on device")

    pool.start()
    pool.submit(fail)
    pool.submit(lambda: done.append("after it"))
    pool.stop()
    assert done == ["after it"]


def test_what_the_last_work_queues_is_done_by_the_threads() -> None:
    pool = RequestPool("test", threads=2, max_waiting=10)
    done: list[int] = []

    def work(left: int) -> None:
        done.append(left)
        if left:
            pool.submit(lambda: work(left - 1))

    pool.submit(lambda: work(5))
    pool.start()
    pool.stop()
    assert done == [5, 4, 3, 2, 1, 0]
