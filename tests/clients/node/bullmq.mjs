// BullMQ, a queue made of Lua scripts, blocking pops and streams: delayed, repeated, prioritised, rate-limited and
// failing jobs, and flows of parents and children; with ioredis in RESP2 and RESP3.

import assert from 'node:assert/strict';

import { HOST, PORT, collector, control, end, load, runChecks, waitUntil } from './suite.mjs';

const { DelayedError, FlowProducer, Queue, QueueEvents, RateLimitError, UnrecoverableError, Worker } = load('bullmq');

const WAIT_MS = 20_000;
let connection;
const opened = [];
let number = 0;

function open(object) {
  opened.push(object);
  return object.on('error', (error) => console.error(error));
}

/** A queue of its own for each check, with its events. */
async function newQueue(options = {}) {
  number += 1;
  const queue = open(new Queue(`queue${number}`, { connection, ...options }));
  const events = open(new QueueEvents(queue.name, { connection }));
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
  return { queue, events, done: (job) => job.waitUntilFinished(events, WAIT_MS) };
}

async function newWorker(queue, processor, options = {}) {
  const worker = open(new Worker(queue.name, processor, { connection, ...options }));
  await worker.waitUntilReady();
  return worker;
}

const CHECKS = {
  async 'jobs and results'() {
    const { queue, events, done } = await newQueue();
    const heard = collector();
    events.on('progress', heard.listener);
    await newWorker(queue, async (job) => {
      await job.updateProgress(50);
      await job.log(`squares ${job.data.number}`);
      return job.data.number ** 2;
    }, { concurrency: 5 });
    const squares = Array.from({ length: 50 }, (_, value) => ({ name: 'square', data: { number: value } }));
    const jobs = await queue.addBulk(squares);
    assert.deepEqual(await Promise.all(jobs.map(done)), jobs.map((_, value) => value ** 2));
    const counts = await queue.getJobCounts('completed', 'failed', 'wait', 'active');
    assert.deepEqual(counts, { active: 0, completed: 50, failed: 0, wait: 0 });
    assert.deepEqual((await queue.getJobLogs(jobs[7].id)).logs, ['squares 7']);
    await waitUntil('the progress', () => heard.calls.length === 50);
    assert.equal((await queue.getJob(jobs[3].id)).returnvalue, 9);
  },

  async 'a waiting worker takes a new job at once'() {
    const { queue, done } = await newQueue();
    await newWorker(queue, async (job) => job.name);
    await waitUntil('the waiting worker', async () => (await control.client('LIST')).includes('cmd=bzpopmin'));
    const began = Date.now();
    assert.equal(await done(await queue.add('hurry', {})), 'hurry');
    assert.ok(Date.now() - began < 1000);
  },

  async 'delayed jobs'() {
    const { queue, done } = await newQueue();
    const order = [];
    await newWorker(queue, async (job) => order.push(job.name) && Date.now());
    const began = Date.now();
    const late = await queue.add('late', {}, { delay: 500 });
    const middle = await queue.add('middle', {}, { delay: 200 });
    const now = await queue.add('now', {});
    assert.equal(await late.getState(), 'delayed');
    assert.ok((await done(late)) - began >= 495);
    await Promise.all([middle, now].map(done));
    assert.deepEqual(order, ['now', 'middle', 'late']);
  },

  async 'repeated jobs'() {
    const { queue } = await newQueue();
    const runs = collector();
    await newWorker(queue, async (job) => runs.listener(job.name, job.data.town));
    await queue.upsertJobScheduler('often', { every: 100, limit: 4 }, { name: 'report', data: { town: 'Bristol' } });
    await waitUntil('four runs', () => runs.calls.length === 4);
    assert.deepEqual(runs.calls[3], ['report', 'Bristol']);
    await queue.upsertJobScheduler('daily', { pattern: '0 3 * * *' }, { name: 'backup' });
    assert.equal((await queue.getJobScheduler('daily')).pattern, '0 3 * * *');
    assert.equal(await queue.removeJobScheduler('daily'), true);
    assert.equal((await queue.getJobSchedulers()).filter((scheduler) => scheduler.key === 'daily').length, 0);
  },

  async 'prioritised jobs'() {
    const { queue, done } = await newQueue();
    const order = [];
    await queue.pause();
    const worker = await newWorker(queue, async (job) => order.push(job.name));
    const jobs = [];
    for (const [name, options] of [
      ['low', { priority: 10 }], ['high', { priority: 1 }], ['middle', { priority: 5 }], ['usual', {}],
      ['low too', { priority: 10 }], ['front', { lifo: true }],
    ]) jobs.push(await queue.add(name, {}, options));
    await jobs[4].changePriority({ priority: 2 });
    assert.equal(await queue.isPaused(), true);
    await queue.resume();
    await Promise.all(jobs.map(done));
    assert.deepEqual(order, ['front', 'usual', 'high', 'low too', 'middle', 'low']);
    assert.equal(worker.isRunning(), true);
  },

  async 'rate-limited jobs'() {
    const { queue, done } = await newQueue();
    const times = [];
    await newWorker(queue, async () => times.push(Date.now()), { limiter: { max: 2, duration: 300 }, concurrency: 10 });
    const began = Date.now();
    const jobs = await queue.addBulk(Array.from({ length: 6 }, () => ({ name: 'call', data: {} })));
    await Promise.all(jobs.map(done));
    const sinceBegin = times.map((time) => time - began);
    assert.equal(times.length, 6);
    assert.ok(sinceBegin[2] >= 295 && sinceBegin[4] >= 590, `${sinceBegin}`);
    const limited = await newQueue();
    let refusals = 0;
    const worker = await newWorker(limited.queue, async () => {
      refusals += 1;
      if (refusals < 3) {
        await limited.queue.rateLimit(50);
        throw new RateLimitError();
      }
      return refusals;
    }, { limiter: { max: 100, duration: 1000 } });
    assert.equal(await limited.done(await limited.queue.add('call', {})), 3);
    await worker.pause();
  },

  async 'failing jobs and retries'() {
    const { queue, done } = await newQueue();
    await newWorker(queue, async (job) => {
      if (job.name === 'hopeless') throw new UnrecoverableError('no use');
      if (job.attemptsMade < job.data.failures) throw new Error(`failure ${job.attemptsMade + 1}`);
      return job.attemptsMade;
    });
    const backoff = { type: 'exponential', delay: 20 };
    assert.equal(await done(await queue.add('third time', { failures: 2 }, { attempts: 3, backoff })), 2);
    const failed = await queue.add('never', { failures: 9 }, { attempts: 2, backoff: 10 });
    await assert.rejects(done(failed), /failure 2/);
    const hopeless = await queue.add('hopeless', {}, { attempts: 5 });
    await assert.rejects(done(hopeless), /no use/);
    const stored = await queue.getJob(failed.id);
    assert.deepEqual([stored.attemptsMade, stored.failedReason, stored.stacktrace.length], [2, 'failure 2', 2]);
    assert.equal(await queue.getFailedCount(), 2);
    await stored.updateData({ failures: 0 });
    await stored.retry();
    await done(stored);
    assert.equal(await stored.getState(), 'completed');
    assert.deepEqual((await queue.clean(0, 100, 'failed')), [hopeless.id]);
  },

  async 'a job is moved back to the delayed ones'() {
    const { queue, done } = await newQueue();
    await newWorker(queue, async (job, token) => {
      if (!job.data.moved) {
        await job.updateData({ moved: true });
        await job.moveToDelayed(Date.now() + 50, token);
        throw new DelayedError();
      }
      return 'second time';
    });
    assert.equal(await done(await queue.add('step', {})), 'second time');
  },

  async 'a stalled job is taken by another worker'() {
    const { queue, done } = await newQueue();
    const job = await queue.add('lost', {});
    const lost = await newWorker(queue, null, { lockDuration: 100, autorun: false });
    assert.equal((await lost.getNextJob('token of the lost one')).id, job.id);
    await newWorker(queue, async () => 'rescued', { stalledInterval: 150, maxStalledCount: 1 });
    assert.equal(await done(job), 'rescued');
  },

  async 'deduplicated jobs'() {
    const { queue, done } = await newQueue();
    const jobs = [];
    const deduplication = { id: 'house', ttl: WAIT_MS };
    for (const text of ['first', 'second']) jobs.push(await queue.add('paint', { text }, { deduplication }));
    assert.equal(jobs[0].id, jobs[1].id);
    const same = [await queue.add('own id', {}, { jobId: 'mine' }), await queue.add('own id', {}, { jobId: 'mine' })];
    assert.equal(await queue.count(), 2);
    await newWorker(queue, async (job) => job.data.text ?? job.id);
    assert.deepEqual(await Promise.all([jobs[0], same[0]].map(done)), ['first', 'mine']);
  },

  async 'flows with children'() {
    const { queue, done } = await newQueue();
    const flows = open(new FlowProducer({ connection }));
    await newWorker(queue, async (job) => {
      if (job.data.price) return job.data.price;
      const values = Object.values(await job.getChildrenValues());
      return values.reduce((sum, price) => sum + price, 0);
    });
    const leaf = (price) => ({ name: 'leaf', queueName: queue.name, data: { price } });
    const tree = await flows.add({
      name: 'root',
      queueName: queue.name,
      children: [leaf(1), leaf(2), { name: 'inner', queueName: queue.name, children: [leaf(30), leaf(40)] }],
    });
    assert.equal(await done(tree.job), 73);
    assert.equal((await tree.job.getDependenciesCount()).processed, 3);
    const stored = await flows.getFlow({ id: tree.job.id, queueName: queue.name });
    assert.equal(stored.children.length, 3);
    await tree.job.remove();
    assert.equal(await queue.getJob(tree.job.id), undefined);
  },

  async 'a flow whose child fails'() {
    const { queue, done } = await newQueue();
    const flows = open(new FlowProducer({ connection }));
    await newWorker(queue, async (job) => {
      if (job.name === 'broken') throw new Error('broken on purpose');
    });
    const tree = await flows.add({
      name: 'root',
      queueName: queue.name,
      children: [{ name: 'broken', queueName: queue.name, opts: { failParentOnFailure: true } }],
    });
    await assert.rejects(done(tree.job), /child .* failed/);
  },

  async 'drain and obliterate'() {
    const { queue } = await newQueue();
    await queue.addBulk(Array.from({ length: 2000 }, () => ({ name: 'job', data: {}, opts: { delay: 60_000 } })));
    await queue.add('waits', {});
    await queue.drain();
    assert.deepEqual(await queue.getJobCounts('delayed', 'wait'), { delayed: 2000, wait: 0 });
    await queue.obliterate({ force: true });
    assert.deepEqual(await control.keys(`bull:${queue.name}:*`), []);
  },
};

for (const protocol of [2, 3]) {
  connection = { host: HOST, port: PORT, protocol };
  await runChecks(CHECKS, `RESP${protocol}: `, async (body) => {
    try {
      await body();
    } finally {
      const closing = opened.splice(0).reverse();
      // A worker does not wait for its jobs; the others take no argument.
      await Promise.allSettled(closing.map((object) => object.close(object instanceof Worker)));
    }
  });
}
end();
