// What the suites of Node.js share besides the harness of tests/interop: where the server is, and how checks are run.

import { check, load } from '../../interop/node/harness.mjs';

export { load, rejects, waitUntil } from '../../interop/node/harness.mjs';

export const URL_OF_SERVER = process.env.CLIENTS_URL;
const { hostname, port } = new URL(URL_OF_SERVER);
export const HOST = hostname;
export const PORT = Number(port);

/** A client of ioredis for the checks' own questions. It sends nothing until it is used. */
export const control = new (load('ioredis').Redis)({ host: HOST, port: PORT, lazyConnect: true });

/** Runs each function of the table on an empty server. */
export async function runChecks(checks, prefix = '', invoke = (body) => body()) {
  for (const [name, body] of Object.entries(checks)) {
    await control.flushall();
    await check(prefix + name, () => invoke(body));
  }
}

/** How many connections wait in a blocking command. */
export async function blockedClients() {
  return Number(/blocked_clients:(\d+)/.exec(await control.info('clients'))[1]);
}

/** Collects what a listener is called with. */
export function collector() {
  const calls = [];
  const listener = (...values) => calls.push(values);
  return { calls, listener };
}

/** The suite is through; connections that a library keeps open do not hold it up. */
export function end() {
  process.stdout.write('end\n', () => process.exit(0));
}
