// node-redis (the npm package `redis`) at what applications do with it, in RESP2 and RESP3.

import assert from 'node:assert/strict';

import { HOST, PORT, blockedClients, collector, control, end, load, rejects, runChecks, waitUntil } from './suite.mjs';

const {
  BasicClientSideCache, BasicPooledClientSideCache, WatchError, createClient, createClientPool, defineScript,
} = load('redis');

const scripts = {
  // Takes a token where one is left, and says how many are left then, or -1.
  takeToken: defineScript({
    NUMBER_OF_KEYS: 1,
    SCRIPT: `
      local left = tonumber(redis.call('GET', KEYS[1]) or ARGV[1]) - 1
      if left < 0 then return -1 end
      redis.call('SET', KEYS[1], left)
      return left`,
    parseCommand(parser, key, limit) {
      parser.pushKey(key);
      parser.push(limit.toString());
    },
    transformReply: (reply) => reply,
  }),
};

const RECONNECTS = { socket: { host: HOST, port: PORT, reconnectStrategy: () => 5 } };
const LIBRARY = `#!lua name=library
redis.register_function('add', function(keys, args) return redis.call('INCRBY', keys[1], args[1]) end)`;

function options(RESP, more = {}) {
  return { RESP, socket: { host: HOST, port: PORT }, scripts, ...more };
}

async function connected(RESP, more) {
  return createClient(options(RESP, more)).on('error', () => {}).connect();
}

/** Runs the body with a client of its own. */
async function using(RESP, body, more) {
  const client = await connected(RESP, more);
  try {
    return await body(client);
  } finally {
    client.destroy();
  }
}

const CHECKS = {
  async transaction(client) {
    const replies = await client.multi().set('a', '1').incr('a').hSet('h', { f: 'v' }).hGetAll('h').exec();
    assert.deepEqual(plain(replies), ['OK', 2, 1, { f: 'v' }]);
    const results = await client.multi().set('a', 'text').incr('a').set('b', '1').exec().catch((error) => error);
    assert.match(String(results.replies[1]), /not an integer/);
    assert.equal(await client.get('b'), '1');
    await rejects('wrong number of arguments', client.multi().set('c', '1').addCommand(['GET']).exec());
    assert.equal(await client.get('c'), null);
  },

  async 'watch and retry'(client, RESP) {
    const add = () =>
      using(RESP, async (own) => {
        for (;;) {
          await own.watch('n');
          const value = Number((await own.get('n')) ?? 0);
          try {
            return await own.multi().set('n', value + 1).exec();
          } catch (error) {
            assert.ok(error instanceof WatchError);
          }
        }
      });
    await Promise.all(Array.from({ length: 20 }, add));
    assert.equal(await client.get('n'), '20');
  },

  async 'scripts and functions'(client) {
    await client.scriptFlush();
    const taken = await Promise.all(Array.from({ length: 5 }, () => client.takeToken('tokens', 3)));
    assert.deepEqual(taken, [2, 1, 0, -1, -1]);
    assert.deepEqual(await client.multi().takeToken('other', 9).get('other').exec(), [8, '8']);
    const script = 'return {KEYS[1], ARGV[1], 3.7, true, {ok = "fine"}}';
    const table = await client.eval(script, { keys: ['k'], arguments: ['a'] });
    assert.deepEqual(table, ['k', 'a', 3, 1, 'fine']);
    await rejects('mine', client.eval('return redis.error_reply("MY error is mine")'));
    assert.equal(await client.functionLoad(LIBRARY, { REPLACE: true }), 'library');
    assert.equal(await client.fCall('add', { keys: ['n'], arguments: ['5'] }), 5);
    await client.functionDelete('library');
  },

  async blocking(client, RESP) {
    const waiting = using(RESP, (own) => own.blPop(['a', 'b'], 20));
    await waitUntil('the waiting client', async () => (await blockedClients()) === 1);
    await client.rPush('b', 'element');
    assert.deepEqual(plain(await waiting), { key: 'b', element: 'element' });
    const scored = using(RESP, (own) => own.bzPopMax('z', 20));
    await waitUntil('the waiting client', async () => (await blockedClients()) === 1);
    await client.zAdd('z', [{ score: 1, value: 'one' }, { score: 2.5, value: 'two' }]);
    assert.deepEqual(plain(await scored), { key: 'z', value: 'two', score: 2.5 });
    assert.equal(await client.blMove('none', 'other', 'LEFT', 'RIGHT', 0.02), null);
  },

  async 'stream group'(client, RESP) {
    await client.xGroupCreate('s', 'g', '$', { MKSTREAM: true });
    const waiting = using(RESP, (own) => own.xReadGroup('g', 'me', { key: 's', id: '>' }, { BLOCK: 20_000, COUNT: 5 }));
    await waitUntil('the waiting client', async () => (await blockedClients()) === 1);
    const id = await client.xAdd('s', '*', { field: 'value' });
    assert.match(JSON.stringify(await waiting), new RegExp(`${id}.*"field":"value"`));
    assert.equal((await client.xPending('s', 'g')).pending, 1);
    assert.equal(await client.xAck('s', 'g', id), 1);
    assert.equal((await client.xPending('s', 'g')).pending, 0);
  },

  async pool(client, RESP) {
    const pool = await createClientPool(options(RESP), { minimum: 1, maximum: 10 }).on('error', () => {}).connect();
    const pops = Array.from({ length: 5 }, () => pool.blPop('jobs', 20));
    await waitUntil('the waiting clients', async () => (await blockedClients()) === 5);
    await client.rPush('jobs', ['1', '2', '3', '4', '5']);
    assert.deepEqual((await Promise.all(pops)).map((popped) => popped.element).sort(), ['1', '2', '3', '4', '5']);
    pool.destroy();
  },

  async 'scan iterator'(client) {
    await client.mSet(Array.from({ length: 1000 }, (_, number) => [`k${number}`, '1']));
    const found = new Set();
    for await (const keys of client.scanIterator({ MATCH: 'k*', COUNT: 100 })) keys.forEach((key) => found.add(key));
    assert.equal(found.size, 1000);
  },
};

/** What needs a second client, which subscribes. */
const SUBSCRIBER_CHECKS = {
  async subscriptions(client, subscriber) {
    const channel = collector();
    const pattern = collector();
    const shard = collector();
    await subscriber.subscribe('news', channel.listener);
    await subscriber.pSubscribe('news*', pattern.listener);
    await subscriber.sSubscribe('shard', shard.listener);
    assert.equal(await client.publish('news', 'first'), 2);
    assert.equal(await client.publish('newspaper', 'second'), 1);
    assert.equal(await client.sPublish('shard', 'third'), 1);
    assert.equal((await subscriber.ping()).toUpperCase(), 'PONG');
    await waitUntil('the messages', () => pattern.calls.length === 2 && shard.calls.length === 1);
    assert.deepEqual(channel.calls, [['first', 'news']]);
    assert.deepEqual(pattern.calls, [['first', 'news'], ['second', 'newspaper']]);
    assert.deepEqual(shard.calls, [['third', 'shard']]);
    assert.deepEqual(await client.pubSubChannels(), ['news']);
    await subscriber.unsubscribe('news');
    await subscriber.pUnsubscribe();
    await subscriber.sUnsubscribe('shard');
    assert.equal(await client.publish('news', 'nobody hears'), 0);
    assert.equal(await subscriber.get('none'), null);
  },

  async 'a subscriber that loses its connection'(client, subscriber) {
    const heard = collector();
    await subscriber.subscribe('news', heard.listener);
    assert.equal(await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']), 1);
    await waitUntil('the new subscription', async () => (await client.publish('news', 'again')) === 1);
    await waitUntil('the message', () => heard.calls.length > 0);
  },
};

const RESP3_CHECKS = {
  async 'client side cache'(client) {
    const clientSideCache = new BasicClientSideCache({ ttl: 0, maxEntries: 100, evictPolicy: 'LRU' });
    await using(3, (cached) => readsAreCached(cached, client, clientSideCache), { clientSideCache });
  },

  async 'client side cache of a pool'(client) {
    const clientSideCache = new BasicPooledClientSideCache({ ttl: 0, maxEntries: 100, evictPolicy: 'LRU' });
    const pool = await createClientPool(options(3), { minimum: 1, maximum: 3, clientSideCache }).connect();
    await readsAreCached(pool, client, clientSideCache);
    pool.destroy();
  },
};

/** What has been read once is not asked for again, until another client changes it. */
async function readsAreCached(cached, client, cache) {
  await client.set('k', '1');
  for (let count = 0; count < 10; count += 1) assert.equal(await cached.get('k'), '1');
  assert.equal(cache.stats().hitCount, 9);
  await client.set('k', '2');
  await waitUntil('the new value', async () => (await cached.get('k')) === '2');
  await client.flushAll();
  await waitUntil('no value', async () => (await cached.get('k')) === null);
}

/** Replies without the prototypes of maps and tuples. */
function plain(value) {
  return JSON.parse(JSON.stringify(value));
}

for (const RESP of [2, 3]) {
  const checks = RESP === 3 ? { ...CHECKS, ...RESP3_CHECKS } : CHECKS;
  await runChecks(checks, `RESP${RESP}: `, (body) => using(RESP, (client) => body(client, RESP)));
  await runChecks(SUBSCRIBER_CHECKS, `RESP${RESP}: `, (body) =>
    using(RESP, (client) => using(RESP, (subscriber) => body(client, subscriber), RECONNECTS)),
  );
}
control.disconnect();
end();
