"""Celery with its broker and results on the server: a worker of two processes, and what applications ask of it."""

import os
import sys
import time

from celery import chain, chord, group
from celery.exceptions import TaskRevokedError

import celery_tasks as tasks
from celery_tasks import app, notes
from harness import eq, raises, wait_until
from suite import end, run_checks, start_process

WAIT_S = 20


def start_worker():
    """Starts the worker and waits until it answers to remote control, which goes over a subscription."""
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker"]
    options = ["--concurrency", "2", "--loglevel", "INFO", "--hostname", "worker@test", "--events"]
    folder = os.path.dirname(os.path.abspath(__file__))
    start_process("worker", command + options, cwd=folder)
    wait_until("the worker", lambda: app.control.ping(timeout=0.5), seconds=30)


def results():
    eq(tasks.add.delay(2, 3).get(WAIT_S), 5)
    sent = [tasks.add.delay(number, number) for number in range(50)]
    eq([result.get(WAIT_S) for result in sent], [2 * number for number in range(50)])
    kept = app.AsyncResult(sent[7].id)
    eq([kept.state, kept.result, kept.name, kept.args], ["SUCCESS", 14, "celery_tasks.add", [7, 7]])
    kept.forget()
    eq(app.AsyncResult(kept.id).state, "PENDING")


def failure():
    result = tasks.fail.delay("broken on purpose")
    raises(ValueError, "broken on purpose", result.get, WAIT_S)
    eq([result.state, "ValueError" in result.traceback], ["FAILURE", True])


def retries():
    eq(tasks.succeed_at_third_try.delay().get(WAIT_S), 2)


def progress():
    result = tasks.tell_progress.delay()
    wait_until("the progress", lambda: result.state == "HALFWAY" and result.info == {"done": 50})
    notes().rpush("finish", 1)
    eq(result.get(WAIT_S), "finished")


def groups_chains_and_chords():
    eq(group(tasks.add.s(number, 1) for number in range(20))().get(WAIT_S), list(range(1, 21)))
    eq(chain(tasks.add.s(1, 2), tasks.add.s(3), tasks.add.s(4))().get(WAIT_S), 10)
    eq(chord((tasks.add.s(number, number) for number in range(30)), tasks.total.s())().get(WAIT_S), 870)
    eq((group(tasks.add.s(1, 1), tasks.add.s(2, 2)) | tasks.total.s() | tasks.add.s(10))().get(WAIT_S), 16)


def failing_chord():
    result = chord([tasks.add.s(1, 1), tasks.fail.s("one of them")], tasks.total.s())()
    raises(Exception, "one of them", result.get, WAIT_S)


def countdown():
    """A task with a countdown waits in the worker, unacknowledged, and is acknowledged when it is done."""
    began = time.time()
    result = tasks.note.apply_async(["late"], countdown=0.5)
    assert result.get(WAIT_S) - began >= 0.5
    eq(notes().lrange("notes", 0, -1), ["late"])
    broker = tasks.redis.Redis.from_url(app.conf.broker_url)
    wait_until("the acknowledgement", lambda: broker.hlen("unacked") == 0 and broker.zcard("unacked_index") == 0)


def hold_both_processes():
    held = [tasks.hold.delay() for _ in range(2)]
    wait_until("busy processes", lambda: notes().llen("holding") == 2)
    return held


def release(held):
    notes().rpush("release", 1, 1)
    for result in held:
        result.get(WAIT_S)


def revoke():
    """What is revoked while it waits is never run."""
    held = hold_both_processes()
    result = tasks.note.delay("revoked")
    result.revoke()
    wait_until(
        "the worker's knowledge of it",
        lambda: result.id in (app.control.inspect(timeout=0.5).revoked() or {}).get("worker@test", []),
    )
    release(held)
    raises(TaskRevokedError, "revoked", result.get, WAIT_S)
    eq(tasks.note.delay("next").get(WAIT_S) > 0, True)
    eq(notes().lrange("notes", 0, -1), ["next"])


def terminate():
    result = tasks.wait_for_the_end.delay()
    wait_until("the task's begin", lambda: notes().lrange("notes", 0, -1) == ["begun"])
    result.revoke(terminate=True)
    raises(TaskRevokedError, "terminated", result.get, WAIT_S)
    eq(tasks.add.delay(1, 1).get(WAIT_S), 2)


def is_waiting_brpop(client):
    return "b" in client["flags"] and client["cmd"] == "brpop"


def priorities():
    """Urgent tasks are taken before those that were sent earlier (0 is the most urgent with Redis)."""
    held = hold_both_processes()
    app.control.cancel_consumer("celery", reply=True, timeout=2)
    # The worker's last call still waits for a while, and would take the first task, whichever it is.
    wait_until("no waiting call of the worker", lambda: not any(map(is_waiting_brpop, notes().client_list())))
    sent = [tasks.note.apply_async([f"{priority}"], priority=priority) for priority in (9, 9, 5, 0)]
    app.control.add_consumer("celery", reply=True, timeout=2)
    notes().rpush("release", 1)
    for result in sent:
        result.get(WAIT_S)
    # One process has done them all, since the other is still held.
    eq(notes().lrange("notes", 0, -1), ["0", "5", "9", "9"])
    notes().rpush("release", 1)
    for result in held:
        result.get(WAIT_S)


CHECKS = [
    results, failure, retries, progress, groups_chains_and_chords, failing_chord, countdown, revoke, terminate,
    priorities,
]  # fmt: skip


def on_clean_notes(check):
    notes().flushdb()
    check()


if __name__ == "__main__":
    start_worker()
    run_checks(CHECKS, invoke=on_clean_notes, keep_data=True)
    end()
