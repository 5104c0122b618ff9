"""RQ with a worker and its scheduler: jobs, failures, retries, dependencies, schedules, repetition, cancelling."""

import os
import sys
import time
from datetime import timedelta

import redis
from rq import Queue, Repeat, Retry, Worker
from rq.command import send_stop_job_command
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.results import Result

import rq_tasks as tasks
from harness import eq, wait_until
from rq_tasks import notes
from suite import HOST, PORT, URL, end, run_checks, start_process

WAIT_S = 20
connection = redis.Redis(host=HOST, port=PORT, db=1)
queue = Queue("default", connection=connection)
urgent = Queue("urgent", connection=connection)


def start_worker():
    command = [os.path.join(os.path.dirname(sys.executable), "rq"), "worker", "urgent", "default", "--with-scheduler"]
    options = ["--url", f"{URL}/1", "--path", os.path.dirname(os.path.abspath(__file__))]
    start_process("worker", command + options)
    wait_until("the worker", lambda: Worker.count(connection=connection) == 1, seconds=30)


def finished(job):
    """The job's value, once it is done."""
    wait_until(f"{job.func_name}: {job.get_status()}", lambda: job.is_finished or job.is_failed, WAIT_S)
    assert job.is_finished, job.latest_result().exc_string
    return job.return_value()


def jobs():
    eq(finished(queue.enqueue(tasks.add, 2, 3)), 5)
    sent = queue.enqueue_many([Queue.prepare_data(tasks.add, (number, number)) for number in range(10)])
    eq([finished(job) for job in sent], [2 * number for number in range(10)])
    assert sent[3].id in FinishedJobRegistry(queue=queue)
    result = sent[3].latest_result()
    eq([result.type, result.return_value], [Result.Type.SUCCESSFUL, 6])
    eq(Job.fetch(sent[3].id, connection=connection).args, (3, 3))
    eq([queue.count, queue.is_empty()], [0, True])


def failure():
    job = queue.enqueue(tasks.fail, on_failure=tasks.told_of_failure)
    wait_until("the failure", lambda: job.is_failed, WAIT_S)
    assert "broken on purpose" in job.latest_result().exc_string
    eq(notes().lrange("told", 0, -1), ["ValueError: broken on purpose"])
    registry = FailedJobRegistry(queue=queue)
    wait_until("the registry", lambda: job.id in registry)
    registry.remove(job, delete_job=True)
    eq(Job.exists(job.id, connection=connection), False)


def retries():
    job = queue.enqueue(tasks.succeed_at_third_try, retry=Retry(max=3))
    eq(finished(job), 3)


def dependencies():
    first = [queue.enqueue(tasks.add, number, 1) for number in range(3)]
    last = queue.enqueue(tasks.total_of_dependencies, depends_on=first, on_success=tasks.told)
    eq(finished(last), 6)
    wait_until("the callback", lambda: notes().lrange("told", 0, -1) == ["rq_tasks.total_of_dependencies: 6"])


def scheduled():
    """RQ cuts the time of a scheduled job to whole seconds, and its scheduler looks once a second."""
    began = time.time()
    job = queue.enqueue_in(timedelta(seconds=2), tasks.note, "late")
    assert job.id in ScheduledJobRegistry(queue=queue)
    assert finished(job) - began >= 1
    eq(notes().lrange("notes", 0, -1), ["late"])


def repeated():
    queue.enqueue(tasks.note, "again", repeat=Repeat(times=1, interval=1))
    wait_until("both runs", lambda: notes().lrange("notes", 0, -1) == ["again", "again"], WAIT_S)


def urgent_first():
    """The worker takes from the queues in the order in which it was told of them."""
    held = queue.enqueue(tasks.tell_progress)
    wait_until("the progress", lambda: held.get_meta(refresh=True).get("done") == 50)
    sent = [queue.enqueue(tasks.note, "usual"), queue.enqueue(tasks.note, "first", at_front=True)]
    sent.append(urgent.enqueue(tasks.note, "urgent"))
    eq([queue.count, urgent.count], [2, 1])
    notes().rpush("finish", 1)
    for job in sent:
        finished(job)
    eq(notes().lrange("notes", 0, -1), ["urgent", "first", "usual"])


def cancelled():
    held = queue.enqueue(tasks.tell_progress)
    wait_until("the progress", lambda: held.get_meta(refresh=True).get("done") == 50)
    job = queue.enqueue(tasks.note, "cancelled")
    job.cancel()
    eq([job.get_status().value, queue.count], ["canceled", 0])
    notes().rpush("finish", 1)
    finished(held)
    eq(notes().llen("notes"), 0)


def stopped():
    """The order to stop a job reaches the worker through a subscription."""
    job = queue.enqueue(tasks.wait_for_the_end)
    wait_until("the job's begin", lambda: notes().lrange("notes", 0, -1) == ["begun"])
    send_stop_job_command(connection, job.id)
    wait_until("the end of the job", lambda: job.get_status().value == "stopped", WAIT_S)
    eq(finished(queue.enqueue(tasks.add, 1, 1)), 2)


CHECKS = [jobs, failure, retries, dependencies, scheduled, repeated, urgent_first, cancelled, stopped]


def on_clean_notes(check):
    notes().flushdb()
    check()


if __name__ == "__main__":
    start_worker()
    run_checks(CHECKS, invoke=on_clean_notes, keep_data=True)
    end()
