"""What the jobs of ``rq_queue`` do; the worker imports them by name."""

import time

import redis
from rq import get_current_job

from suite import HOST, PORT


def notes():
    """Where jobs write down what they did, apart from the queues."""
    return redis.Redis(host=HOST, port=PORT, db=3, decode_responses=True)


def add(left, right):
    return left + right


def note(text):
    notes().rpush("notes", text)
    return time.time()


def fail():
    raise ValueError("broken on purpose")


def succeed_at_third_try():
    tries = notes().incr("tries")
    if tries < 3:
        raise ValueError(f"try {tries}")
    return tries


def total_of_dependencies():
    return sum(job.return_value() for job in get_current_job().fetch_dependencies())


def tell_progress():
    job = get_current_job()
    job.meta["done"] = 50
    job.save_meta()
    notes().blpop("finish", 20)


def told(job, connection, result, *_):
    notes().rpush("told", f"{job.func_name}: {result}")


def told_of_failure(job, connection, kind, value, traceback):
    notes().rpush("told", f"{kind.__name__}: {value}")


def wait_for_the_end():
    notes().rpush("notes", "begun")
    time.sleep(60)
