// The README's tour, run as it stands: every command in order in one shell, against the running program.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Burgee } from './burgee.mjs';
import { assertPrinted, blocksUnder, stepsOf } from './tour.mjs';

const README = new URL('../README.md', import.meta.url);
/** What the README calls the program's address. */
const ADDRESS = 'http://127.0.0.1:8080';
/** How long the whole tour may take, in milliseconds. */
const PATIENCE = 60_000;

const here = path.dirname(fileURLToPath(import.meta.url));
const readme = await readFile(README, 'utf8');
const steps = stepsOf(blocksUnder(readme, '## Five minutes'));

let burgee;
let folder;

/** A block of the README with the real address in it. */
function addressed({ text, line }) {
  const real = text.replaceAll(ADDRESS, burgee.url);
  assert.ok(
    !real.includes(':8080'),
    `line ${line}: say ${ADDRESS}, or it asks something else than the program`,
  );
  return real;
}

/** Runs a program in a folder, and gives how it ended and what it printed. */
async function run(program, args, { cwd, env = {} }) {
  // An environment of its own: no proxy of the developer's stands between the commands and the program.
  const options = { cwd, env: { PATH: process.env.PATH, HOME: folder, ...env }, timeout: PATIENCE };
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray());
  const [[code, signal], ...texts] = await Promise.all([once(child, 'close'), ...printed]);
  const [output, complaints] = texts.map((chunks) => chunks.join(''));
  return { code: code ?? signal, output, complaints };
}

describe("the README's tour", () => {
  before(async () => {
    burgee = await Burgee.start();
    folder = await mkdtemp(path.join(tmpdir(), 'burgee-tour-'));
  });

  after(async () => {
    await burgee?.stop();
    if (folder) await rm(folder, { recursive: true });
  });

  it('is long enough to be one', () => {
    assert.ok(steps.length >= 6, `only ${steps.length} commands stand under "## Five minutes"`);
  });

  it('runs from its first line to its last', async (t) => {
    // Each block prints into a file of its own, and otherwise shares the shell with the others.
    const script = steps.map((step, index) => `exec >${index}.out\n${addressed(step)}\n`).join('');
    await writeFile(path.join(folder, 'tour.sh'), `set -euo pipefail\n${script}`);
    const { code, complaints } = await run('bash', ['tour.sh'], { cwd: folder });
    for (const [index, step] of steps.entries()) {
      const output = await readFile(path.join(folder, `${index}.out`), 'utf8').catch(() => null);
      await t.test(`line ${step.line}: ${step.about}`, () => {
        assert.notEqual(output, null, `the tour ended before this command: ${complaints}`);
        for (const expected of step.expected) assertPrinted(output, expected);
      });
    }
    assert.equal(code, 0, `the tour ended with ${code}: ${complaints}`);
  });

  it('leads to an application that sees the flag', async () => {
    const [snippet] = blocksUnder(readme, '## In an application').filter(({ language }) => language === 'js');
    assert.ok(snippet, 'no ```js under "## In an application"');
    const raise = { key: 'new-checkout', enabled: true, default_value: true };
    const { status } = await burgee.ask('PATCH', '/api/v1/flags/new-checkout', raise);
    const flag =
      status === 404
        ? await burgee.makeFlag(raise)
        : (await burgee.ask('GET', '/api/v1/flags/new-checkout')).body;
    await burgee.settled(flag);
    const code = `${addressed(snippet)}\nprocess.stdout.write(String(raised));`;
    const env = { SDK_KEY: burgee.serverKey };
    const { output, complaints } = await run(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: here,
      env,
    });
    assert.equal(output, 'true', complaints);
  });
});

describe('a tour is held to what it says', () => {
  const json = (text) => ({ language: 'json', text });
  const lines = (text) => ({ language: 'text', text });
  const document = '{"key": "a", "rules": [{"id": "r1", "on": true}], "none": null, "weight": 1}';

  it('takes JSON that has all that is shown, and perhaps more', () => {
    for (const text of [
      document,
      '{}',
      '{"key": "…"}',
      '{"rules": [{"id": "…1", "on": true}]}',
      '{"none": null}',
    ]) {
      assertPrinted(document, json(text));
    }
  });

  it('refuses JSON in which something shown is other, missing, more or less', () => {
    for (const text of [
      '{"key": "b"}',
      '{"other": "…"}',
      '{"rules": []}',
      '{"rules": [{}, {}]}',
      '{"rules": {}}',
      '{"rules": [{"on": "true"}]}',
      '{"none": {}}',
      '{"weight": 2}',
      '[]',
    ]) {
      assert.throws(() => assertPrinted(document, json(text)), assert.AssertionError, text);
    }
    assert.throws(() => assertPrinted('no JSON', json('{}')), SyntaxError);
  });

  it('takes whole lines in order, with anything in place of …', () => {
    for (const text of ['id: 1', 'id: …\ndata: {…"on":false…}', 'data: …false}', '…']) {
      assertPrinted('id: 1\n\ndata: {"a":1,"on":false}\n', lines(text));
    }
    for (const text of ['id: 2', 'id', 'data: …\nid: …', 'data: {…"on":false}…}', 'id: 1\nid: 1']) {
      assert.throws(
        () => assertPrinted('id: 1\n\ndata: {"a":1,"on":false}\n', lines(text)),
        assert.AssertionError,
        text,
      );
    }
  });

  it('finds commands and what they print, in their section alone', () => {
    const markdown = [
      ...[
        '```sh',
        'make run',
        '```',
        '## Five minutes long',
        'Ask:',
        '',
        '```sh',
        '# as you do',
        '## really',
        'ask',
        '```',
      ],
      ...['which prints', '```json', '{}', '```', '## Next', '```sh', 'other', '```'],
    ].join('\n');
    const [step, ...others] = stepsOf(blocksUnder(markdown, '## Five minutes'));
    assert.deepEqual(others, []);
    assert.equal(step.text, '# as you do\n## really\nask');
    assert.deepEqual([step.line, step.about], [7, 'Ask']);
    assert.deepEqual(
      step.expected.map(({ language, text }) => [language, text]),
      [['json', '{}']],
    );
    assert.throws(() => blocksUnder('```sh\nask', '## Five'), /no end/);
    assert.throws(() => stepsOf([{ language: 'js', line: 3 }]), /line 3/);
  });
});
