// A program in another language that asks Burgee: a question a line on its input, an answer a line on its output.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

/** How long an answer may take, in milliseconds; a runtime starts meanwhile. */
const PATIENCE = 30_000;

/** An environment of its own: no proxy of the developer's stands between a program and Burgee. */
export function ownEnvironment(variables = {}) {
  const { PATH, HOME, JAVA_HOME } = process.env;
  return { PATH, HOME, ...(JAVA_HOME && { JAVA_HOME }), PYTHONUTF8: '1', ...variables };
}

/** A running program. One question at a time. */
export class Child {
  #child;
  #answers;
  #complaints = '';

  /** @param {string[]} command the program and its arguments */
  constructor([program, ...args]) {
    this.#child = spawn(program, args, { env: ownEnvironment(), stdio: 'pipe' });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stderr.setEncoding('utf8').on('data', (chunk) => {
      this.#complaints += chunk;
    });
    // A program that is gone is found out by its answer, which does not come.
    this.#child.stdin.on('error', () => {});
    process.once('exit', () => this.#child.kill('SIGKILL'));
  }

  /** What the program's SDK says of a flag. */
  async ask(question) {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    const late = wait(PATIENCE, { done: true }, { ref: false });
    const { value, done } = await Promise.race([this.#answers.next(), late]);
    assert.ok(!done, `no answer about ${question.flag}: ${this.#complaints}`);
    return JSON.parse(value);
  }

  /** Lets the program end by itself, as it does when there are no more questions. */
  async close() {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit', { signal: AbortSignal.timeout(PATIENCE) });
    this.#child.stdin.end();
    const [code, signal] = await ended;
    assert.equal(code ?? signal, 0, this.#complaints);
  }
}
