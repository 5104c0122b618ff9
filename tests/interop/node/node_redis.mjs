// node-redis (the npm package `redis`), in RESP2 and RESP3.

import assert from 'node:assert/strict';

import { ALL_BYTES, Server, check, event, isRuddle, load, megabyte, rejects, waitUntil } from './harness.mjs';

const { createClient, RESP_TYPES } = load('redis');

/** A client that is not connected yet; it tries again soon when the server is gone. */
function clientOf(server, RESP, options = {}) {
  const { socket, ...others } = options;
  const reconnectStrategy = () => 5;
  const client = createClient({ RESP, socket: { port: server.port, reconnectStrategy, ...socket }, ...others });
  return client.on('error', () => {});
}

async function withClient(server, RESP, options, body) {
  const client = await clientOf(server, RESP, options).connect();
  try {
    await body(client);
  } finally {
    client.destroy();
  }
}

const CHECKS = {
  async connect(client, server, RESP) {
    assert.equal(await client.ping(), 'PONG');
    assert.equal(await client.echo('hello'), 'hello');
    assert.match(await client.sendCommand(['CLIENT', 'INFO']), new RegExp(`resp=${RESP}\\b`));
  },

  async pipeline(client) {
    const numbers = Array.from({ length: 1000 }, (_, number) => `${number}`);
    const calls = numbers.flatMap((number) => [client.set(`key:${number}`, number), client.get(`key:${number}`)]);
    const replies = await Promise.all(calls);
    assert.deepEqual(replies.filter((_, index) => index % 2 === 1), numbers);
    const batch = client.multi();
    numbers.forEach((number) => batch.rPush('list', number));
    assert.deepEqual(await batch.execAsPipeline(), numbers.map((number) => Number(number) + 1));
  },

  async 'pipeline with errors'(client) {
    const replies = await Promise.allSettled([client.set('a', 'text'), client.incr('a'), client.get('a')]);
    assert.deepEqual(replies.map((reply) => reply.status), ['fulfilled', 'rejected', 'fulfilled']);
    assert.equal(replies[2].value, 'text');
  },

  async binary(client) {
    const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const value = megabyte();
    for (const [key, data] of [['all', ALL_BYTES], [ALL_BYTES, Buffer.from('')], ['large', value]]) {
      assert.equal(await buffers.set(key, data), 'OK');
      assert.ok(data.equals(await buffers.get(key)));
    }
    await buffers.rPush('list', [ALL_BYTES, value]);
    assert.deepEqual(await buffers.lRange('list', 0, -1), [ALL_BYTES, value]);
    assert.equal(await client.strLen('large'), value.length);
  },

  async errors(client) {
    await client.set('string', 'text');
    await client.rPush('list', 'a');
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
      await rejects(part, client.sendCommand(command));
    }
    assert.equal(await client.get('string'), 'text');
  },

  async strings(client) {
    await client.mSet({ a: '1', b: 'two' });
    assert.deepEqual(await client.mGet(['a', 'none', 'b']), ['1', null, 'two']);
    assert.equal(await client.set('a', '2', { condition: 'NX' }), null);
    assert.equal(await client.set('a', '3', { condition: 'XX', GET: true }), '1');
    assert.equal(await client.incrBy('a', 39), 42);
    assert.equal(Number(await client.incrByFloat('a', 0.5)), 42.5);
    assert.equal(await client.append('b', ' three'), 9);
    assert.equal(await client.getRange('b', -5, -1), 'three');
    assert.equal(await client.setRange('b', 4, 'THREE'), 9);
    assert.equal(await client.getDel('b'), 'two THREE');
    assert.equal(await client.get('b'), null);
  },

  async lists(client) {
    assert.equal(await client.rPush('l', ['a', 'b', 'c']), 3);
    assert.equal(await client.lPush('l', '0'), 4);
    assert.deepEqual(await client.lRange('l', 0, -1), ['0', 'a', 'b', 'c']);
    assert.equal(await client.lInsert('l', 'AFTER', 'a', 'a2'), 5);
    assert.equal(await client.lPos('l', 'a2'), 2);
    assert.equal(await client.lMove('l', 'other', 'LEFT', 'RIGHT'), '0');
    assert.deepEqual(await client.lPopCount('l', 2), ['a', 'a2']);
    assert.deepEqual(await client.lmPop(['none', 'l'], 'RIGHT', { COUNT: 9 }), ['l', ['c', 'b']]);
    assert.equal(await client.lmPop('none', 'LEFT'), null);
    assert.equal(await client.rPop('l'), null);
  },

  async keys(client) {
    await client.mSet({ a: '1', b: '2' });
    assert.equal(await client.exists(['a', 'b', 'none']), 2);
    assert.equal(await client.type('a'), 'string');
    assert.equal(await client.objectEncoding('a'), 'int');
    assert.equal(await client.rename('a', 'c'), 'OK');
    assert.equal(await client.copy('b', 'd'), 1);
    assert.deepEqual((await client.keys('*')).sort(), ['b', 'c', 'd']);
    assert.equal(await client.unlink(['b', 'c', 'none']), 2);
    assert.equal(await client.dbSize(), 1);
  },

  async expiry(client) {
    await client.set('a', '1', { expiration: { type: 'EX', value: 100 } });
    assert.equal(await client.ttl('a'), 100);
    assert.equal(await client.expire('a', 50, 'GT'), 0);
    assert.equal(await client.expire('a', 50), 1);
    assert.equal(await client.persist('a'), 1);
    assert.equal(await client.pTTL('a'), -1);
    assert.equal(await client.getEx('a', { type: 'EXAT', value: 4_000_000_000 }), '1');
    assert.equal(await client.expireTime('a'), 4_000_000_000);
    await client.set('short', '1', { expiration: { type: 'PX', value: 1 } });
    await waitUntil('the end of the key', async () => (await client.get('short')) === null);
  },

  async scan(client) {
    const expected = Array.from({ length: 10_000 }, (_, number) => `scan:${number}`);
    await Promise.all(expected.map((key) => client.set(key, '1')));
    const found = new Set();
    for await (const keys of client.scanIterator({ COUNT: 500 })) keys.forEach((key) => found.add(key));
    assert.deepEqual([...found].sort(), expected.sort());
    const matched = new Set();
    for await (const keys of client.scanIterator({ MATCH: 'scan:123?' })) keys.forEach((key) => matched.add(key));
    assert.equal(matched.size, 10);
  },

  async databases(client, server, RESP) {
    await client.set('k', '0');
    await withClient(server, RESP, { database: 9 }, async (other) => {
      await other.set('k', '9');
      assert.equal(await client.get('k'), '0');
      await client.select(9);
      assert.equal(await client.get('k'), '9');
      await client.select(0);
    });
  },

  async 'client commands'(client, server, RESP) {
    await withClient(server, RESP, { name: 'by-option' }, async (other) => {
      assert.equal(await other.clientGetName(), 'by-option');
      await client.clientSetName('me');
      const names = (await client.clientList()).map((entry) => entry.name);
      assert.ok(names.includes('me') && names.includes('by-option'), names.join());
      const info = await other.clientInfo();
      assert.deepEqual([info.id, info.name, info.db], [await other.clientId(), 'by-option', 0]);
    });
  },

  async config(client, server) {
    assert.deepEqual({ ...(await client.configGet('port')) }, { port: `${server.port}` });
    assert.equal(await client.configSet('timeout', '77'), 'OK');
    assert.deepEqual({ ...(await client.configGet(['timeout', 'save'])) }, { timeout: '77', save: '' });
    await client.configSet('timeout', '0');
    await rejects('', client.configSet('nosuch', '1'));
  },

  async info(client, server) {
    await client.set('k', '1');
    const lines = (await client.info()).split('\r\n');
    const fields = new Map(lines.filter((line) => line.includes(':')).map((line) => line.split(/:(.*)/)));
    assert.equal(fields.get('tcp_port'), `${server.port}`);
    assert.equal(fields.get('role'), 'master');
    assert.match(fields.get('db0'), /^keys=1,expires=0/);
    assert.ok(Number(fields.get('used_memory')) > 0);
    assert.match(await client.info('server'), /^# Server\r\n/);
  },

  async 'many clients'(client, server, RESP) {
    const one = () => withClient(server, RESP, {}, (own) => Promise.all(Array.from({ length: 100 }, () => own.incr('n'))));
    await Promise.all(Array.from({ length: 50 }, one));
    assert.equal(await client.get('n'), '5000');
  },

  async 'unix socket'(_, server, RESP) {
    const socket = { path: server.unixSocket, port: undefined };
    await withClient(server, RESP, { socket }, async (client) => {
      assert.equal(await client.set('k', 'v'), 'OK');
      assert.equal(await client.get('k'), 'v');
    });
  },

  async reconnect(client, server, RESP) {
    await client.set('k', '1');
    const lost = event(client, 'reconnecting');
    await server.kill();
    await lost;
    const waiting = client.get('k');
    const ready = event(client, 'ready');
    await server.start();
    await ready;
    assert.equal(await waiting, null);
    assert.equal(await client.set('k', '2'), 'OK');
    assert.match(await client.sendCommand(['CLIENT', 'INFO']), new RegExp(`resp=${RESP}\\b`));
  },
};

/** What clients say of themselves at the start (Redis 7.2) is shown. */
async function libraryName(client) {
  const waiting = () => client.sendCommand(['CLIENT', 'INFO']);
  await waitUntil('the name of the library', async () => /lib-name=node-redis lib-ver=\d/.test(await waiting()));
}

async function password(server, RESP) {
  await withClient(server, RESP, { password: 'secret' }, async (client) => assert.equal(await client.ping(), 'PONG'));
  await withClient(server, RESP, { username: 'default', password: 'secret' }, async (client) => {
    assert.equal(await client.ping(), 'PONG');
  });
  const socket = { reconnectStrategy: false };
  await rejects('WRONGPASS', clientOf(server, RESP, { password: 'guess', socket }).connect());
  await rejects('NOAUTH', clientOf(server, RESP, { socket }).connect().then((client) => client.ping()));
}

const server = await Server.start();
for (const RESP of [2, 3]) {
  const all = isRuddle ? { ...CHECKS, 'library name': libraryName } : CHECKS;
  for (const [name, body] of Object.entries(all)) {
    await check(`node-redis: RESP${RESP}: ${name}`, () =>
      withClient(server, RESP, {}, async (client) => {
        await client.flushAll();
        await body(client, server, RESP);
      }),
    );
  }
}
await server.remove();

const locked = await Server.start('--requirepass', 'secret');
for (const RESP of [2, 3]) await check(`node-redis: RESP${RESP}: password`, () => password(locked, RESP));
await locked.remove();
console.log('end');
process.exit();
