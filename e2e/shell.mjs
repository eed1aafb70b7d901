// Running the commands of a document: every block in order, in one shell, against a running program.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { assertPrinted } from './tour.mjs';

/** What documents call the program's address. */
const ADDRESS = 'http://127.0.0.1:8080';
/** How long all commands of a document may take together, in milliseconds. */
const PATIENCE = 60_000;
/** Waits until the server has stopped in order, as whoever looks after it does. */
const STOP = 'kill "$SERVER_PID"\nwhile kill -0 "$SERVER_PID" 2>/dev/null; do sleep 0.05; done\n';

/** A text of a document with the real address in it. */
export function addressed({ text, line }, { url }) {
  const real = text.replaceAll(ADDRESS, url);
  assert.ok(
    !real.includes(':8080'),
    `line ${line}: say ${ADDRESS}, or it asks something else than the program`,
  );
  return real;
}

/** A folder in which commands are run, and their home. A request that is refused fails its command there. */
export class Shell {
  #folder;

  constructor(folder) {
    this.#folder = folder;
  }

  static async open() {
    const folder = await mkdtemp(path.join(tmpdir(), 'burgee-shell-'));
    await writeFile(path.join(folder, '.curlrc'), 'fail-with-body\n');
    return new Shell(folder);
  }

  close() {
    return rm(this.#folder, { recursive: true });
  }

  /** Runs a program, and gives how it ended and what it printed. */
  async run(program, args, { cwd = this.#folder, env = {} } = {}) {
    // An environment of its own: no proxy of the developer's stands between the commands and the program.
    const own = { PATH: process.env.PATH, HOME: this.#folder, ...env };
    const options = { cwd, env: own, timeout: PATIENCE };
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const printed = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray());
    const [[code, signal], ...texts] = await Promise.all([once(child, 'close'), ...printed]);
    const [output, complaints] = texts.map((chunks) => chunks.join(''));
    return { code: code ?? signal, output, complaints };
  }

  /**
   * Runs all steps, and fails unless each prints what it is said to. Each is a subtest of its own.
   *
   * @param {import('node:test').TestContext} t
   * @param {ReturnType<typeof import('./tour.mjs').stepsOf>} steps
   * @param {import('./burgee.mjs').Burgee} burgee what they ask
   * @param {object} [env] environment variables besides
   */
  async runSteps(t, steps, burgee, env = {}) {
    // Each block prints into a file of its own, and otherwise shares the shell with the others.
    const script = steps.map((step, index) => {
      const stop = step.isStopped && !steps[index - 1]?.isStopped ? STOP : '';
      return `exec >${index}.out\n${stop}${addressed(step, burgee)}\n`;
    });
    await writeFile(path.join(this.#folder, 'steps.sh'), `set -euo pipefail\n${script.join('')}`);
    const { code, complaints } = await this.run('bash', ['steps.sh'], { env });
    for (const [index, step] of steps.entries()) {
      const file = path.join(this.#folder, `${index}.out`);
      const output = await readFile(file, 'utf8').catch(() => null);
      await t.test(`line ${step.line}: ${step.about}`, () => {
        assert.notEqual(output, null, `they ended before this command: ${complaints}`);
        for (const expected of step.expected) assertPrinted(output, expected);
      });
    }
    const last = await readFile(path.join(this.#folder, `${steps.length - 1}.out`), 'utf8').catch(() => '');
    assert.equal(code, 0, `they ended with ${code}: ${complaints} ${last}`);
  }
}
