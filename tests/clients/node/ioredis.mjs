// ioredis at what applications do with it: pipelines, transactions, commands written in Lua, subscriptions, streams.

import assert from 'node:assert/strict';

import { HOST, PORT, blockedClients, collector, control, end, load, rejects, runChecks, waitUntil } from './suite.mjs';

const { Redis } = load('ioredis');

let protocol = 2;
const clients = [];

/** A client of the protocol that is being tested, which is closed after the check. */
function connect(options = {}) {
  clients.push(new Redis({ host: HOST, port: PORT, protocol, retryStrategy: () => 5, ...options }));
  return clients.at(-1).on('error', () => {});
}

const LIMIT = {
  numberOfKeys: 1,
  lua: `
    local count = redis.call('INCR', KEYS[1])
    if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    if count > tonumber(ARGV[1]) then return redis.error_reply('LIMIT of ' .. ARGV[1] .. ' reached') end
    return count`,
};

const CHECKS = {
  async pipelines(client) {
    const batch = client.pipeline();
    for (let number = 0; number < 500; number += 1) batch.rpush('l', number);
    const replies = await batch.lrange('l', 0, -1).incr('l').exec();
    assert.equal(replies[500][1].length, 500);
    assert.match(replies[501][0].message, /WRONGTYPE/);
    const mixed = await client.pipeline().set('a', '1').multi().incr('a').incr('a').exec().get('a').exec();
    assert.deepEqual(mixed.at(-1), [null, '3']);
  },

  async transactions(client) {
    const replies = await client.multi().set('a', 'text').incr('a').get('a').exec();
    assert.deepEqual([replies[0], replies[2]], [[null, 'OK'], [null, 'text']]);
    assert.match(replies[1][0].message, /not an integer/);
    await client.multi({ pipeline: false });
    assert.equal(await client.set('b', '1'), 'QUEUED');
    assert.deepEqual(await client.exec(), [[null, 'OK']]);
    await rejects('EXECABORT', client.multi().set('c', '1').call('get').exec());
    assert.equal(await client.exists('c'), 0);
    await client.watch('a');
    await control.set('a', 'changed');
    assert.equal(await client.multi().set('a', 'mine').exec(), null);
    assert.equal(await client.get('a'), 'changed');
  },

  async 'commands in Lua'(client) {
    await client.script('FLUSH');
    client.defineCommand('limit', LIMIT);
    assert.deepEqual(await Promise.all([client.limit('k', 2, 20_000), client.limit('k', 2, 20_000)]), [1, 2]);
    await rejects('LIMIT of 2 reached', client.limit('k', 2, 20_000));
    assert.ok((await client.pttl('k')) > 10_000);
    client.defineCommand('echoed', { lua: 'return {KEYS[1], KEYS[2], ARGV[1]}' });
    assert.deepEqual(await client.echoed(2, 'a', 'b', 'c'), ['a', 'b', 'c']);
    const bytes = Buffer.from([0, 255, 13, 10]);
    assert.deepEqual((await client.echoedBuffer(2, bytes, 'b', bytes))[2], bytes);
    await client.script('FLUSH');
    const replies = await client.pipeline().limit('p', 9, 20_000).echoed(2, 'x', 'y', 'z').exec();
    assert.deepEqual(replies, [[null, 1], [null, ['x', 'y', 'z']]]);
  },

  async subscriptions(client) {
    const subscriber = connect();
    const messages = collector();
    const patterns = collector();
    subscriber.on('message', messages.listener).on('pmessage', patterns.listener);
    assert.equal(await subscriber.subscribe('news', 'sports'), 2);
    assert.equal(await subscriber.psubscribe('n?ws', 'h[ae]llo'), 4);
    if (protocol === 2) await rejects('subscriber mode', subscriber.get('k'));
    const published = ['news', 'sports', 'hello', 'hullo'].map((name) => client.publish(name, 'text'));
    assert.deepEqual(await Promise.all(published), [2, 1, 1, 0]);
    await waitUntil('the messages', () => messages.calls.length === 2 && patterns.calls.length === 2);
    assert.deepEqual(messages.calls, [['news', 'text'], ['sports', 'text']]);
    assert.deepEqual(patterns.calls, [['n?ws', 'news', 'text'], ['h[ae]llo', 'hello', 'text']]);
    assert.equal(await subscriber.punsubscribe('n?ws', 'h[ae]llo'), 2);
    assert.equal(await subscriber.unsubscribe('news', 'sports'), 0);
    assert.equal(await subscriber.get('k'), null);
  },

  async 'sharded subscriptions'(client) {
    const subscriber = connect();
    const messages = collector();
    subscriber.on('smessage', messages.listener);
    assert.equal(await subscriber.ssubscribe('shard'), 1);
    assert.equal(await client.spublish('shard', 'text'), 1);
    await waitUntil('the message', () => messages.calls.length === 1);
    assert.deepEqual(messages.calls, [['shard', 'text']]);
  },

  async 'a subscriber that loses its connection'(client) {
    const subscriber = connect();
    const messages = collector();
    subscriber.on('message', messages.listener);
    await subscriber.subscribe('news');
    assert.equal(await client.client('KILL', 'TYPE', 'pubsub'), 1);
    await waitUntil('the new subscription', async () => (await client.publish('news', 'again')) === 1);
    await waitUntil('the message', () => messages.calls.length > 0);
  },

  async streams(client) {
    await client.xgroup('CREATE', 's', 'g', '$', 'MKSTREAM');
    const workers = [connect(), connect()];
    const reads = workers.map((worker, index) =>
      worker.xreadgroup('GROUP', 'g', `w${index}`, 'COUNT', 1, 'BLOCK', 20_000, 'STREAMS', 's', '>'),
    );
    await waitUntil('the waiting workers', async () => (await blockedClients()) === 2);
    const ids = [await client.xadd('s', '*', 'n', '0'), await client.xadd('s', '*', 'n', '1')];
    const entries = (await Promise.all(reads)).map(([[name, [[id, fields]]]]) => [name, id, fields]);
    assert.deepEqual(entries.sort(), [['s', ids[0], ['n', '0']], ['s', ids[1], ['n', '1']]]);
    assert.equal((await client.xpending('s', 'g'))[0], 2);
    assert.equal(await client.xack('s', 'g', ...ids), 2);
  },

  async 'a stream that is removed while its group is waited for'(client) {
    await client.xgroup('CREATE', 's', 'g', '$', 'MKSTREAM');
    const worker = connect();
    const read = worker.xreadgroup('GROUP', 'g', 'w', 'BLOCK', 20_000, 'STREAMS', 's', '>');
    read.catch(() => {});
    await waitUntil('the waiting worker', async () => (await blockedClients()) === 1);
    await client.del('s');
    await rejects('', read);
  },

  async 'blocking queue'(client) {
    const worker = connect();
    const waiting = worker.brpoplpush('jobs', 'taken', 20);
    await waitUntil('the waiting worker', async () => (await blockedClients()) === 1);
    const pushed = await client.multi().lpush('jobs', 'first').lpush('jobs', 'second').exec();
    assert.deepEqual(pushed, [[null, 1], [null, 2]]);
    assert.equal(await waiting, 'first');
    assert.equal(await worker.brpoplpush('jobs', 'taken', 20), 'second');
    assert.deepEqual(await client.lrange('taken', 0, -1), ['second', 'first']);
    assert.equal(await worker.blpop('none', 0.02), null);
  },

  async autopipelining() {
    const client = connect({ enableAutoPipelining: true });
    await client.ping();
    await Promise.all(Array.from({ length: 1000 }, (_, number) => client.set(`k${number}`, number)));
    const values = await Promise.all(Array.from({ length: 1000 }, (_, number) => client.get(`k${number}`)));
    assert.deepEqual(values, Array.from({ length: 1000 }, (_, number) => `${number}`));
  },

  async 'key prefix and transformers'() {
    const client = connect({ keyPrefix: 'app:' });
    client.defineCommand('take', { numberOfKeys: 1, lua: "return redis.call('GETDEL', KEYS[1])" });
    await client.set('k', 'v');
    assert.equal(await control.get('app:k'), 'v');
    assert.equal(await client.take('k'), 'v');
    await client.hset('h', { a: 1, b: 2 });
    assert.deepEqual(await client.hgetall('h'), { a: '1', b: '2' });
  },

  async 'scan streams'(client) {
    await client.mset(Object.fromEntries(Array.from({ length: 1000 }, (_, number) => [`k${number}`, number])));
    const found = new Set();
    for await (const keys of client.scanStream({ match: 'k*', count: 100 })) keys.forEach((key) => found.add(key));
    assert.equal(found.size, 1000);
  },

  async monitor(client) {
    const monitor = await client.monitor();
    const seen = collector();
    monitor.on('monitor', seen.listener);
    await control.set('watched', 'text');
    const isTheCommand = ([, command]) => command.join(' ').toLowerCase() === 'set watched text';
    await waitUntil('the command', () => seen.calls.some(isTheCommand));
  },
};

for (protocol of [2, 3]) {
  await runChecks(CHECKS, `RESP${protocol}: `, async (body) => {
    try {
      await body(connect());
    } finally {
      clients.splice(0).forEach((client) => client.disconnect());
    }
  });
}
end();
