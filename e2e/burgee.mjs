// The real program, started on a free port with a data folder of its own, and stopped by its id.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

/** How long anything may take before the test fails, in milliseconds. */
export const PATIENCE = 20_000;
/** How much of the program's log is kept to explain a failure, in characters. */
const MOST_LOG = 16_384;

/**
 * Asks until the probe gives something truthy, and gives that.
 *
 * @param {string} what what is waited for; stands in the failure
 * @param {() => unknown} probe asked again and again
 * @param {number} patience how long, in milliseconds
 */
export async function until(what, probe, patience = PATIENCE) {
  const deadline = performance.now() + patience;
  for (;;) {
    const found = await probe();
    if (found) return found;
    assert.ok(performance.now() < deadline, `not within ${patience} ms: ${what}`);
    await wait(5);
  }
}

/** A running server, and what a person can ask of it. */
export class Burgee {
  #child;
  #folder;
  #log;
  #settings;
  #token;

  /** In a folder, for which the environment says that it is the program's. */
  constructor(folder, env) {
    this.#folder = folder;
    /** Its environment, by which other commands of the program find its database. */
    this.env = env;
  }

  /**
   * Starts the program on an empty folder, and signs up as a developer.
   *
   * @param {object} [settings] what the configuration file says
   * @param {object} [variables] environment variables besides
   */
  static async start(settings = {}, variables = {}) {
    assert.ok(
      process.env.BURGEE,
      'BURGEE must be the path of the program; `make test` builds it and says where it is',
    );
    const folder = await mkdtemp(path.join(tmpdir(), 'burgee-e2e-'));
    // An environment of its own, so that nothing of the developer's leaks in.
    const burgee = new Burgee(folder, {
      PATH: process.env.PATH,
      BURGEE__DATABASE__PATH: path.join(folder, 'burgee.db'),
      BURGEE__STORAGE__BASE_PATH: folder,
      BURGEE__SERVER__PORT: '0',
      ...variables,
    });
    await burgee.#launch(settings);
    const account = { email: 'tester@example.com', password: 'secret', role: 'developer' };
    burgee.#token = (await burgee.change('POST', '/auth/register', account)).token;
    return burgee;
  }

  async #launch(settings) {
    this.#settings = settings;
    const config = path.join(this.#folder, 'burgee.yaml');
    // All JSON is YAML.
    await writeFile(config, JSON.stringify(settings));
    const child = spawn(process.env.BURGEE, ['start', '--config', config], {
      cwd: this.#folder,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    killWithUs(child);
    await once(child, 'spawn');
    this.#child = child;
    this.#log = keepLast(child.stderr);
    const banner = await readBanner(child, this.#log);
    /** The process's id. */
    this.pid = child.pid;
    /** Where it listens: `http://127.0.0.1:PORT`. */
    this.url = banner.url;
    // What is said at the first start alone.
    /** The server-kind key of `development`. */
    this.serverKey ??= banner.serverKey;
    /** The client-kind key of `development`. */
    this.clientKey ??= banner.clientKey;
    /** The first admin's password. */
    this.adminPassword ??= banner.adminPassword;
    await until('it is healthy', async () => (await this.ask('GET', '/health')).status === 200);
  }

  /** Kills it, as a machine does that fails. */
  async kill() {
    const killed = once(this.#child, 'exit', { signal: AbortSignal.timeout(PATIENCE) });
    this.#child.kill('SIGKILL');
    await killed;
  }

  /**
   * Starts it again with what it wrote, on another port, after it was killed.
   *
   * @param {object} [settings] as at the start; those of before unless said
   * @param {object} [variables] environment variables besides
   */
  restart(settings = this.#settings, variables = {}) {
    Object.assign(this.env, variables);
    return this.#launch(settings);
  }

  /** Asks it to stop (SIGTERM), which it must do in order, and removes its folder. */
  async stop() {
    if (this.#child.exitCode === null) {
      const stopped = once(this.#child, 'exit', { signal: AbortSignal.timeout(PATIENCE) });
      this.#child.kill('SIGTERM');
      await stopped;
    }
    await rm(this.#folder, { recursive: true, force: true });
    assert.equal(this.#child.exitCode, 0, `it did not stop in order; it logged: ${this.#log()}`);
  }

  /**
   * Asks as the developer, or as whose token it is. Gives the status and the JSON of the answer, `null` if there is
   * none. A document that is a text is sent as it stands.
   */
  async ask(method, where, document, token = this.#token) {
    const headers = { 'Content-Type': 'application/json' };
    if (token) headers.Authorization = `Bearer ${token}`;
    const body = document === undefined || typeof document === 'string' ? document : JSON.stringify(document);
    const answer = await fetch(this.url + where, {
      method,
      headers,
      body,
      signal: AbortSignal.timeout(PATIENCE),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? null : JSON.parse(text) };
  }

  /** Asks for a change, and fails unless it was made. */
  async change(method, where, document) {
    const { status, body } = await this.ask(method, where, document);
    assert.ok(status >= 200 && status < 300, `${method} ${where}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Makes a flag, and gives it as it is. */
  makeFlag(flag) {
    return this.change('POST', '/api/v1/flags', flag);
  }

  /** Raises or lowers a flag in an environment. */
  setEnabled(key, enabled, environment = 'development') {
    return this.change('POST', `/api/v1/flags/${key}/toggle?environment=${environment}`, { enabled });
  }

  /** Makes an SDK key, and gives its secret and its id. */
  makeSdkKey(kind, environment = 'development') {
    return this.change('POST', `/api/v1/sdk-keys?environment=${environment}`, { name: 'e2e', kind });
  }

  /** Asks for all flags as an application does, past any SDK. */
  evaluateAll(key, context = {}) {
    const headers = { 'Content-Type': 'application/json', 'X-API-Key': key };
    const body = JSON.stringify({ context });
    const signal = AbortSignal.timeout(PATIENCE);
    return fetch(`${this.url}/ofrep/v1/evaluate/flags`, { method: 'POST', headers, body, signal });
  }

  /** Waits until applications are answered from what a change made. */
  async settled(changed, key = this.serverKey) {
    const revision = Math.max(changed.version, changed.flag_version);
    await until(`revision ${revision} is delivered`, async () => {
      const answer = await this.evaluateAll(key);
      return answer.ok && (await answer.json()).metadata.revision >= revision;
    });
  }
}

/** No program outlives its tests, however they end. */
function killWithUs(child) {
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  // A signal alone would end us without an `exit`.
  const leave = () => process.exit(1);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, leave);
  child.once('exit', () => {
    process.removeListener('exit', kill);
    for (const signal of ['SIGINT', 'SIGTERM']) process.removeListener(signal, leave);
  });
}

/** Reads a stream to its end, and gives its last part when asked. */
function keepLast(stream) {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk) => {
    text = (text + chunk).slice(-MOST_LOG);
  });
  return () => text;
}

/** Reads what a start prints, up to the last line, which says where it runs. */
async function readBanner(child, log) {
  const banner = {};
  const lines = createInterface({ input: child.stdout, signal: AbortSignal.timeout(PATIENCE) });
  for await (const line of lines) {
    const last = line.trim().split(/\s+/).at(-1);
    if (line.includes('Admin password')) banner.adminPassword = last;
    if (line.includes('SDK key (server)')) banner.serverKey = last;
    if (line.includes('SDK key (client)')) banner.clientKey = last;
    if (line.startsWith('Burgee is running at')) {
      banner.url = line.match(/http:\/\/\S+/)[0];
      // Whatever else it prints is read, so that it never waits for us.
      child.stdout.resume();
      return banner;
    }
  }
  return assert.fail(`it is not running after ${PATIENCE} ms; it logged: ${log()}`);
}
