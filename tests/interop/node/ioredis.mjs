// ioredis, in RESP2 and RESP3. Its ready check reads INFO after each connect.

import assert from 'node:assert/strict';

import { ALL_BYTES, Server, check, event, load, megabyte, rejects, waitUntil } from './harness.mjs';

const { Redis } = load('ioredis');

/** A client that connects at once, and tries again soon when the server is gone. */
function clientOf(server, protocol, options = {}) {
  const client = new Redis({ port: server.port, protocol, retryStrategy: () => 5, maxRetriesPerRequest: null, ...options });
  return client.on('error', () => {});
}

async function withClient(server, protocol, options, body) {
  const client = clientOf(server, protocol, options);
  try {
    await body(client);
  } finally {
    client.disconnect();
  }
}

const CHECKS = {
  async connect(client, server, protocol) {
    assert.equal(await client.ping(), 'PONG');
    assert.match(await client.client('INFO'), new RegExp(`resp=${protocol}\\b`));
  },

  async pipeline(client) {
    const numbers = Array.from({ length: 1000 }, (_, number) => `${number}`);
    const batch = client.pipeline();
    numbers.forEach((number) => batch.set(`key:${number}`, number).get(`key:${number}`));
    const replies = await batch.exec();
    assert.deepEqual(replies.filter((_, index) => index % 2 === 1), numbers.map((number) => [null, number]));
  },

  async 'pipeline with errors'(client) {
    const [set, incremented, got] = await client.pipeline().set('a', 'text').incr('a').get('a').exec();
    assert.deepEqual([set, got], [[null, 'OK'], [null, 'text']]);
    assert.match(incremented[0].message, /not an integer/);
  },

  async 'automatic pipeline'(_, server, protocol) {
    await withClient(server, protocol, { enableAutoPipelining: true }, async (client) => {
      const counts = await Promise.all(Array.from({ length: 1000 }, () => client.incr('n')));
      assert.equal(counts.at(-1), 1000);
    });
  },

  async binary(client) {
    const value = megabyte();
    for (const [key, data] of [['all', ALL_BYTES], [ALL_BYTES, Buffer.from('')], ['large', value]]) {
      assert.equal(await client.set(key, data), 'OK');
      assert.ok(data.equals(await client.getBuffer(key)));
    }
    await client.rpush('list', ALL_BYTES, value);
    assert.deepEqual(await client.lrangeBuffer('list', 0, -1), [ALL_BYTES, value]);
  },

  async errors(client) {
    await client.set('string', 'text');
    await client.rpush('list', 'a');
    for (const [part, ...command] of [
      ['WRONGTYPE', 'LPUSH', 'string', 'a'],
      ['WRONGTYPE', 'GET', 'list'],
      ["wrong number of arguments for 'get' command", 'GET'],
      ["unknown command 'NOSUCH'", 'NOSUCH', 'a'],
      ['value is not an integer or out of range', 'INCR', 'string'],
      ['syntax error', 'SET', 'k', 'v', 'NX', 'XX'],
      ['no such key', 'RENAME', 'none', 'other'],
      ['index out of range', 'LSET', 'list', '9', 'a'],
    ]) {
      await rejects(part, client.call(...command));
    }
    assert.equal(await client.get('string'), 'text');
  },

  async strings(client) {
    await client.mset({ a: '1', b: 'two' });
    assert.deepEqual(await client.mget('a', 'none', 'b'), ['1', null, 'two']);
    assert.equal(await client.set('a', '2', 'NX'), null);
    assert.equal(await client.set('a', '3', 'EX', 100, 'GET'), '1');
    assert.equal(await client.incrby('a', 39), 42);
    assert.equal(await client.incrbyfloat('a', 0.5), '42.5');
    assert.equal(await client.append('b', ' three'), 9);
    assert.equal(await client.getrange('b', -5, -1), 'three');
    assert.equal(await client.getdel('b'), 'two three');
    assert.equal(await client.get('b'), null);
  },

  async lists(client) {
    assert.equal(await client.rpush('l', 'a', 'b', 'c'), 3);
    assert.deepEqual(await client.lrange('l', 0, -1), ['a', 'b', 'c']);
    assert.equal(await client.linsert('l', 'BEFORE', 'a', '0'), 4);
    assert.equal(await client.lpos('l', 'b'), 2);
    assert.equal(await client.lmove('l', 'other', 'LEFT', 'RIGHT'), '0');
    assert.deepEqual(await client.lpop('l', 2), ['a', 'b']);
    assert.deepEqual(await client.lmpop(2, 'none', 'l', 'RIGHT'), ['l', ['c']]);
    assert.equal(await client.lpop('l'), null);
  },

  async expiry(client) {
    await client.set('a', '1', 'EX', 100);
    assert.equal(await client.ttl('a'), 100);
    assert.equal(await client.expire('a', 200, 'LT'), 0);
    assert.equal(await client.persist('a'), 1);
    assert.equal(await client.pexpireat('a', 4_000_000_000_000), 1);
    assert.equal(await client.pexpiretime('a'), 4_000_000_000_000);
    await client.set('short', '1', 'PX', 1);
    await waitUntil('the end of the key', async () => (await client.get('short')) === null);
  },

  async scan(client) {
    const expected = Array.from({ length: 10_000 }, (_, number) => `scan:${number}`);
    const batch = client.pipeline();
    expected.forEach((key) => batch.set(key, '1'));
    await batch.exec();
    const found = new Set();
    for await (const keys of client.scanStream({ count: 500 })) keys.forEach((key) => found.add(key));
    assert.deepEqual([...found].sort(), expected.sort());
    const matched = new Set();
    for await (const keys of client.scanStream({ match: 'scan:123?' })) keys.forEach((key) => matched.add(key));
    assert.equal(matched.size, 10);
  },

  async databases(client, server, protocol) {
    await client.set('k', '0');
    await withClient(server, protocol, { db: 9 }, async (other) => {
      await other.set('k', '9');
      assert.equal(await client.get('k'), '0');
      await client.select(9);
      assert.equal(await client.get('k'), '9');
    });
  },

  async 'client commands'(client, server, protocol) {
    await withClient(server, protocol, { connectionName: 'by-option' }, async (other) => {
      assert.equal(await other.client('GETNAME'), 'by-option');
      assert.equal(await client.client('SETNAME', 'me'), 'OK');
      const list = await client.client('LIST');
      assert.match(list, / name=me /);
      assert.match(list, / name=by-option /);
      assert.match(await other.client('INFO'), new RegExp(`^id=${await other.client('ID')} `));
    });
  },

  async config(client, server) {
    assert.deepEqual(await client.config('GET', 'port'), ['port', `${server.port}`]);
    assert.equal(await client.config('SET', 'timeout', '77'), 'OK');
    assert.deepEqual(await client.config('GET', 'timeout'), ['timeout', '77']);
    await client.config('SET', 'timeout', '0');
  },

  async info(client, server) {
    assert.match(await client.info('server'), new RegExp(`\r\ntcp_port:${server.port}\r\n`));
    assert.match(await client.info(), /\r\nloading:0\r\n[^]*\r\nrole:master\r\n/);
  },

  async 'many clients'(client, server, protocol) {
    const one = () => withClient(server, protocol, {}, (own) => Promise.all(Array.from({ length: 100 }, () => own.incr('n'))));
    await Promise.all(Array.from({ length: 50 }, one));
    assert.equal(await client.get('n'), '5000');
  },

  async 'unix socket'(_, server, protocol) {
    await withClient(server, protocol, { path: server.unixSocket }, async (client) => {
      assert.equal(await client.set('k', 'v'), 'OK');
      assert.equal(await client.get('k'), 'v');
    });
  },

  async reconnect(client, server, protocol) {
    await client.set('k', '1');
    const lost = event(client, 'reconnecting');
    await server.kill();
    await lost;
    const waiting = client.get('k');
    const ready = event(client, 'ready');
    await server.start();
    await ready;
    assert.equal(await waiting, null);
    assert.match(await client.client('INFO'), new RegExp(`resp=${protocol}\\b`));
  },
};

async function password(server, protocol) {
  await withClient(server, protocol, { password: 'secret' }, async (client) => assert.equal(await client.ping(), 'PONG'));
  await withClient(server, protocol, { username: 'default', password: 'secret' }, async (client) => {
    assert.equal(await client.ping(), 'PONG');
  });
  // A wrong password is told as an event, and each command is then refused by the server or given up by the client.
  await withClient(server, protocol, { password: 'guess', lazyConnect: true, retryStrategy: () => null }, async (client) => {
    const told = event(client, 'error');
    await assert.rejects(client.connect().then(() => client.get('k')));
    assert.match((await told).message, /WRONGPASS/);
  });
}

const server = await Server.start();
for (const protocol of [2, 3]) {
  for (const [name, body] of Object.entries(CHECKS)) {
    await check(`ioredis: RESP${protocol}: ${name}`, () =>
      withClient(server, protocol, {}, async (client) => {
        await client.flushall();
        await body(client, server, protocol);
      }),
    );
  }
}
await server.remove();

const locked = await Server.start('--requirepass', 'secret');
for (const protocol of [2, 3]) await check(`ioredis: RESP${protocol}: password`, () => password(locked, protocol));
await locked.remove();
console.log('end');
process.exit();
