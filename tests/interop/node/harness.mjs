// What both suites of Node.js share: servers that they start, and checks that print a line each (the format is that
// of ../python/harness.py, which counts them).

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 10_000;
const CHECK_TIMEOUT_MS = 60_000;
// Below the ports that the system gives to outgoing connections: a restarted server finds its own still free.
const FIRST_PORT = 20_000;
const PORT_COUNT = 10_000;

/** Loads a client library from where `run` has installed it. */
export const load = createRequire(path.join(process.env.INTEROP_FOLDER, 'node', 'package.json'));

/** Whether the server under test is Ruddle, and not the real one that the suites are checked against. */
export const isRuddle =
  !process.env.RUDDLE_BIN.startsWith('redis://') &&
  execFileSync(process.env.RUDDLE_BIN, ['--version'], { encoding: 'utf8' }).toLowerCase().startsWith('ruddle');

/** Every byte value, once. */
export const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

/** A value of 1 MiB in which no byte is like its neighbours for long, the same in each run. */
export function megabyte() {
  let state = 1;
  return Buffer.from(
    Array.from({ length: 1 << 20 }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 24;
    }),
  );
}

/** Runs one check, bounded in time, and prints how it ended. */
export async function check(name, body) {
  const limit = new AbortController();
  const late = pause(CHECK_TIMEOUT_MS, null, { signal: limit.signal }).then(
    () => Promise.reject(new Error(`not done after ${CHECK_TIMEOUT_MS} ms`)),
    () => {},
  );
  try {
    await Promise.race([body(), late]);
    console.log(`ok   ${name}`);
  } catch (error) {
    const place = /([a-z_]+\.mjs:\d+):\d+\)?$/m.exec(error.stack ?? '')?.[1] ?? '?';
    const text = String(error.message).replace(/\s+/g, ' ').slice(0, 600);
    console.log(`FAIL ${name} -- ${place}: ${error.name}: ${text}`);
  } finally {
    limit.abort();
  }
}

/** Polls until the condition holds. */
export async function waitUntil(what, condition) {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${START_TIMEOUT_MS} ms`);
    await pause(2);
  }
}

/** Waits for an event, whatever errors the client tells of meanwhile. */
export function event(client, name) {
  return new Promise((resolve) => client.once(name, resolve));
}

/** Fails unless the promise is rejected with this part in the error's text. */
export async function rejects(part, promise) {
  await assert.rejects(promise, (error) => {
    assert.ok(String(error.message).includes(part), `${part} is not in ${error.message}`);
    return true;
  });
}

/** A server with a port, a Unix socket and a folder of its own. */
export class Server {
  static async start(...options) {
    const server = new Server();
    server.options = options;
    server.folder = mkdtempSync(path.join(tmpdir(), 'ruddle-interop-'));
    server.unixSocket = path.join(server.folder, 's');
    server.port = await freePort();
    await server.start();
    return server;
  }

  /** Starts the process on the server's own port and waits until it answers. */
  async start() {
    const log = openSync(path.join(this.folder, 'log'), 'a');
    const own = ['--port', `${this.port}`, '--bind', HOST, '--unixsocket', this.unixSocket, '--dir', this.folder];
    const options = [...own, '--save', '', '--appendonly', 'no', ...this.options];
    this.process = spawn(process.env.RUDDLE_BIN, options, { stdio: ['ignore', log, log] });
    this.exit = new Promise((resolve) => this.process.once('exit', resolve));
    await waitUntil('the first answer of the server', () => {
      if (this.process.exitCode !== null) {
        throw new Error(`cannot start the server: ${readFileSync(path.join(this.folder, 'log'))}`);
      }
      return answers(this.port);
    });
  }

  /** Ends the process at once; it has no time to say good-bye to its clients. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.exit;
  }

  /** Ends the process for good. */
  async remove() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, HOST, () => socket.write('PING\r\n'));
    socket.once('data', (data) => {
      resolve(/^(\+PONG|-NOAUTH)/.test(data.toString()));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

async function freePort() {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    const isFree = await new Promise((resolve) => {
      const probe = net.createServer().once('error', () => resolve(false));
      probe.listen(port, HOST, () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
