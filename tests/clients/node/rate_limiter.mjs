// rate-limiter-flexible with ioredis and node-redis: counters with an end, penalties, blocks, bursts, unions, queues.

import assert from 'node:assert/strict';

import { HOST, PORT, control, end, load, runChecks, waitUntil } from './suite.mjs';

const {
  BurstyRateLimiter, RateLimiterQueue, RateLimiterRedis, RateLimiterRedisNonAtomic, RateLimiterUnion,
} = load('rate-limiter-flexible');
const ioredis = new (load('ioredis').Redis)({ host: HOST, port: PORT });
const nodeRedis = await load('redis').createClient({ socket: { host: HOST, port: PORT } }).connect();

/** How many of so many calls at once are allowed. */
async function allowed(limiter, calls, key = 'user') {
  const results = await Promise.allSettled(Array.from({ length: calls }, () => limiter.consume(key)));
  const refusals = results.filter((result) => result.status === 'rejected');
  refusals.forEach(({ reason }) => assert.ok(reason.msBeforeNext >= 0, `${reason}`));
  return calls - refusals.length;
}

const CHECKS = {
  async 'points are consumed'(client) {
    const limiter = new RateLimiterRedis({ ...client, points: 5, duration: 20, keyPrefix: 'limit' });
    const first = await limiter.consume('user', 2);
    assert.deepEqual([first.consumedPoints, first.remainingPoints, first.isFirstInDuration], [2, 3, true]);
    assert.ok(first.msBeforeNext > 19_000 && first.msBeforeNext <= 20_000);
    assert.equal(await allowed(limiter, 10), 3);
    assert.equal(await allowed(limiter, 10, 'other'), 5);
    assert.equal((await limiter.get('user')).remainingPoints, 0);
    assert.equal(await limiter.get('nobody'), null);
    assert.equal((await limiter.reward('user', 10)).consumedPoints, 2);
    assert.equal((await limiter.penalty('user', 1)).consumedPoints, 3);
    assert.equal(await limiter.delete('user'), true);
    assert.equal(await allowed(limiter, 6), 5);
  },

  async 'points come back with time'(client) {
    const limiter = new RateLimiterRedis({ ...client, points: 2, duration: 1 });
    assert.equal(await allowed(limiter, 4), 2);
    await waitUntil('the end of the second', async () => (await limiter.get('user')) === null);
    assert.equal(await allowed(limiter, 4), 2);
  },

  async 'block after too many'(client) {
    const limiter = new RateLimiterRedis({ ...client, points: 1, duration: 1, blockDuration: 20 });
    assert.equal(await allowed(limiter, 3), 1);
    assert.ok((await limiter.get('user')).msBeforeNext > 15_000);
    await limiter.block('guest', 30);
    assert.equal(await allowed(limiter, 1, 'guest'), 0);
    await limiter.set('free', 0, 20);
    assert.equal(await allowed(limiter, 2, 'free'), 1);
  },

  async 'bursts'(client) {
    const steady = new RateLimiterRedis({ ...client, points: 2, duration: 20, keyPrefix: 'steady' });
    const burst = new RateLimiterRedis({ ...client, points: 3, duration: 20, keyPrefix: 'burst' });
    assert.equal(await allowed(new BurstyRateLimiter(steady, burst), 10), 5);
  },

  async 'union'(client) {
    const second = new RateLimiterRedis({ ...client, points: 1, duration: 20, keyPrefix: 'second' });
    const hour = new RateLimiterRedis({ ...client, points: 9, duration: 3600, keyPrefix: 'hour' });
    const union = new RateLimiterUnion(second, hour);
    assert.equal((await union.consume('user')).hour.remainingPoints, 8);
    const refused = await union.consume('user').catch((reason) => reason);
    assert.equal(refused.second.remainingPoints, 0);
    assert.equal((await hour.get('user')).consumedPoints, 2);
  },

  async 'queue of waiting requests'(client) {
    const limiter = new RateLimiterRedis({ ...client, points: 2, duration: 1 });
    const queue = new RateLimiterQueue(limiter, { maxQueueSize: 10 });
    const began = Date.now();
    await Promise.all(Array.from({ length: 4 }, () => queue.removeTokens(1)));
    assert.ok(Date.now() - began >= 500);
  },

  async 'without scripts'(client) {
    const limiter = new RateLimiterRedisNonAtomic({ ...client, points: 3, duration: 20 });
    assert.equal((await limiter.consume('user')).remainingPoints, 2);
    assert.equal((await limiter.consume('user', 2)).remainingPoints, 0);
    assert.equal(await allowed(limiter, 1), 0);
  },

  async 'even pace, and a script that is gone'(client) {
    const pace = { execEvenly: true, execEvenlyMinDelayMs: 20 };
    const limiter = new RateLimiterRedis({ ...client, points: 10, duration: 1, ...pace });
    const began = Date.now();
    await limiter.consume('user');
    await limiter.consume('user');
    assert.ok(Date.now() - began >= 20);
    await control.script('FLUSH');
    assert.equal((await limiter.consume('user')).consumedPoints, 3);
  },
};

const CLIENTS = {
  ioredis: { storeClient: ioredis },
  'node-redis': { storeClient: nodeRedis, useRedisPackage: true },
};
for (const [name, client] of Object.entries(CLIENTS)) {
  await runChecks(CHECKS, `${name}: `, (body) => body(client));
}
end();
