"""Waiting requests are taken in order of arrival, joined where they fit, and dropped when given up."""

from __future__ import annotations

import threading

from core.workers.mailbox import Job, Mailbox


def filled(*jobs: Job) -> Mailbox:
    mailbox = Mailbox()
    for job in jobs:
        mailbox.put(job)
    return mailbox


def taken(mailbox: Mailbox, most: int = 8) -> list[int] | None:
    batch = mailbox.take(lambda job: most)
    return None if batch is None else [job.id for job in batch]


def test_fitting_requests_are_joined_in_order_up_to_the_limit() -> None:
    mailbox = filled(*(Job(number, "a", {}) for number in range(5)))
    assert taken(mailbox, 3) == [0, 1, 2]
    assert taken(mailbox, 3) == [3, 4]


def test_the_longest_waiting_goes_first_and_takes_along_what_fits() -> None:
    mailbox = filled(Job(0, "a", {}), Job(1, "b", {}), Job(2, "a", {}, key=1), Job(3, "a", {}), Job(4, "b", {}))
    assert [taken(mailbox) for _ in range(3)] == [[0, 3], [1, 4], [2]]


def test_a_limit_of_none_waits_and_lets_others_pass() -> None:
    mailbox = filled(Job(0, "a", {}), Job(1, "b", {}), Job(2, "a", {}))
    batch = mailbox.take(lambda job: 0 if job.command == "a" else 8)
    assert batch is not None
    assert [job.id for job in batch] == [1]
    assert mailbox.take(lambda job: 0, wait=False) == []
    assert taken(mailbox) == [0, 2]


def test_what_was_given_up_while_it_waited_is_never_taken() -> None:
    mailbox = filled(*(Job(number, "a", {}) for number in range(4)))
    mailbox.cancel(0)
    mailbox.cancel(2)
    mailbox.cancel(77)
    assert taken(mailbox) == [1, 3]


def test_a_running_request_sees_that_it_was_given_up_until_it_is_done() -> None:
    job = Job(1, "a", {})
    mailbox = filled(job)
    batch = mailbox.take(lambda job: 1)
    assert batch == [job]
    mailbox.cancel(1)
    assert job.cancelled.is_set()
    mailbox.done([job])
    mailbox.cancel(1)


def test_taking_waits_for_the_first_and_ends_with_the_mailbox() -> None:
    mailbox = Mailbox()
    results: list[list[int] | None] = []
    first = threading.Event()

    def work() -> None:
        results.append(taken(mailbox))
        first.set()
        results.append(taken(mailbox))

    thread = threading.Thread(target=work)
    thread.start()
    mailbox.put(Job(5, "a", {}))
    assert first.wait(10)
    mailbox.close()
    mailbox.put(Job(6, "a", {}))
    thread.join(10)
    assert results == [[5], None]


def test_closing_gives_up_what_runs_and_what_waits() -> None:
    running, waiting = Job(1, "a", {}), Job(2, "b", {})
    mailbox = filled(running, waiting)
    assert taken(mailbox) == [1]
    mailbox.close()
    assert running.cancelled.is_set()
    assert waiting.cancelled.is_set()
    assert taken(mailbox) is None
