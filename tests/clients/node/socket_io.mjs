// The Redis adapter of socket.io: two servers whose clients hear each other through subscriptions.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';

import { HOST, PORT, collector, control, end, load, runChecks, waitUntil } from './suite.mjs';

const { createAdapter, createShardedAdapter } = load('@socket.io/redis-adapter');
const { Server } = load('socket.io');
const { io } = load('socket.io-client');
const { Redis } = load('ioredis');
const { createClient } = load('redis');

const CLIENT_COUNT = 3;

const ADAPTERS = {
  async ioredis() {
    const publisher = new Redis({ host: HOST, port: PORT });
    const subscriber = publisher.duplicate();
    const close = () => [publisher, subscriber].forEach((one) => one.disconnect());
    return { adapter: createAdapter(publisher, subscriber), close };
  },
  'node-redis': () => nodeRedisAdapter(createAdapter),
  'node-redis, sharded': () => nodeRedisAdapter(createShardedAdapter),
};

async function nodeRedisAdapter(create) {
  const publisher = await createClient({ socket: { host: HOST, port: PORT } }).connect();
  const subscriber = await publisher.duplicate().connect();
  return { adapter: create(publisher, subscriber), close: () => [publisher, subscriber].map((one) => one.close()) };
}

/** A server of socket.io at a free port; clients join the rooms that they ask for. */
async function startServer(kind) {
  const { adapter, close } = await ADAPTERS[kind]();
  const http = createServer();
  const server = new Server(http, { adapter, transports: ['websocket'] });
  server.on('connection', (socket) => {
    socket.on('join', (room, done) => Promise.resolve(socket.join(room)).then(() => done()));
    socket.on('tell others', (text) => socket.broadcast.emit('text', text));
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  const stop = () => new Promise((resolve) => server.close(resolve)).then(close);
  return { server, stop, url: `http://127.0.0.1:${http.address().port}` };
}

/** A connected client, with all texts that it has received. */
async function startClient(url) {
  const socket = io(url, { transports: ['websocket'], reconnection: false });
  const texts = collector();
  socket.on('text', texts.listener);
  socket.on('question', (text, answer) => answer(`${text}!`));
  await new Promise((resolve, reject) => socket.on('connect', resolve).on('connect_error', reject));
  return {
    socket,
    texts: () => texts.calls.flat(),
    join: (room) => socket.emitWithAck('join', room),
  };
}

const CHECKS = {
  async broadcast({ first, clients }) {
    first.emit('text', 'for all');
    await received(clients, ['for all']);
    clients[0].socket.emit('tell others', 'from one');
    await received(clients.slice(1), ['for all', 'from one']);
    assert.deepEqual(clients[0].texts(), ['for all']);
  },

  async rooms({ first, second, clients, kind }) {
    await Promise.all([clients[0].join('blue'), clients[2].join('blue'), clients[1].join('red')]);
    // The sharded adapter subscribes to a room's own channel, and does not wait for that when a client joins.
    const rooms = async () => (await control.call('PUBSUB', 'SHARDCHANNELS', '*#[br][le][ud]*#')).length;
    if (kind.includes('sharded')) await waitUntil('the channels of both rooms', async () => (await rooms()) === 2);
    second.to('blue').emit('text', 'blue');
    first.to('red').emit('text', 'red');
    first.except('red').emit('text', 'not red');
    second.to(['blue', 'red']).emit('text', 'both');
    await received([clients[0], clients[2]], ['blue', 'not red', 'both'].sort());
    await received([clients[1]], ['red', 'both'].sort());
  },

  async 'servers know each other’s sockets'({ first, second, clients }) {
    await clients[0].join('blue');
    const sockets = await second.fetchSockets();
    assert.deepEqual(sockets.map((socket) => socket.id).sort(), clients.map(({ socket }) => socket.id).sort());
    const members = async (server, room) => (await server.in(room).fetchSockets()).map((socket) => socket.id);
    assert.deepEqual(await members(second, 'blue'), [clients[0].socket.id]);
    first.socketsJoin('green');
    await waitUntil('the joined room', async () => (await members(second, 'green')).length === CLIENT_COUNT * 2);
    second.in('blue').socketsLeave('green');
    await waitUntil('the left room', async () => (await members(first, 'green')).length === CLIENT_COUNT * 2 - 1);
  },

  async 'answers of all clients'({ first }) {
    const answers = await first.timeout(10_000).emitWithAck('question', 'there');
    assert.deepEqual(answers, Array(CLIENT_COUNT * 2).fill('there!'));
  },

  async 'messages between servers'({ first, second }) {
    second.on('sum', (left, right, answer) => answer(left + right));
    assert.deepEqual(await first.serverSideEmitWithAck('sum', 1, 2), [3]);
  },

  async 'clients are disconnected from afar'({ first, clients }) {
    const gone = collector();
    clients.forEach(({ socket }) => socket.on('disconnect', gone.listener));
    first.disconnectSockets(true);
    await waitUntil('the end of all', () => gone.calls.length === CLIENT_COUNT * 2);
  },
};

/** Waits until each client has these texts, in any order, and no others. */
async function received(clients, texts) {
  await waitUntil(`${texts}`, () => clients.every((client) => client.texts().length >= texts.length));
  clients.forEach((client) => assert.deepEqual(client.texts().sort(), [...texts].sort()));
}

for (const kind of Object.keys(ADAPTERS)) {
  await runChecks(CHECKS, `${kind}: `, async (body) => {
    const servers = [await startServer(kind), await startServer(kind)];
    const [first, second] = servers.map(({ server }) => server);
    const counts = () => Promise.all([first, second].map((server) => server.of('/').adapter.serverCount()));
    await waitUntil('both servers', async () => (await counts()).every((count) => count === 2));
    const clients = [];
    for (let index = 0; index < CLIENT_COUNT * 2; index += 1) clients.push(await startClient(servers[index % 2].url));
    try {
      await body({ first, second, clients, kind });
    } finally {
      clients.forEach(({ socket }) => socket.disconnect());
      await Promise.all(servers.map(({ stop }) => stop()));
    }
  });
}
control.disconnect();
end();
