"""The tasks of ``celery_queue``, which the worker loads as its application."""

import time

import redis
from celery import Celery

from suite import HOST, PORT, URL

app = Celery("celery_tasks", broker=f"{URL}/1", backend=f"{URL}/2")
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"priority_steps": [0, 5, 9], "sep": ":", "queue_order_strategy": "priority"},
    result_expires=600,
    result_extended=True,
    task_track_started=True,
    task_publish_retry=False,
    worker_prefetch_multiplier=1,
)


def notes():
    """Where tasks write down what they did, apart from broker and results."""
    return redis.Redis(host=HOST, port=PORT, db=3, decode_responses=True)


@app.task
def add(left, right):
    return left + right


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def succeed_at_third_try(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.05)
    return self.request.retries


@app.task(bind=True)
def tell_progress(self):
    self.update_state(state="HALFWAY", meta={"done": 50})
    notes().blpop("finish", 20)
    return "finished"


@app.task
def note(text):
    notes().rpush("notes", text)
    return time.time()


@app.task
def hold():
    """Keeps its worker process busy until the test lets it go."""
    notes().rpush("holding", 1)
    notes().blpop("release", 30)


@app.task
def wait_for_the_end():
    notes().rpush("notes", "begun")
    time.sleep(60)
