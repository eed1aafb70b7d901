// The README's tour, run as it stands: every command in order in one shell, against the running program.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Burgee } from './burgee.mjs';
import { Shell, addressed } from './shell.mjs';
import { assertPrinted, blocksOf, blocksUnder, stepsOf } from './tour.mjs';

const README = new URL('../README.md', import.meta.url);
const here = path.dirname(fileURLToPath(import.meta.url));
const readme = await readFile(README, 'utf8');
const steps = stepsOf(blocksUnder(readme, '## Five minutes'));

let burgee;
let shell;

describe("g1_s13_the_readme's_tour", () => {
  before(async () => {
    burgee = await Burgee.start();
    shell = await Shell.open();
  });

  after(async () => {
    await burgee?.stop();
    await shell?.close();
  });

  it('is long enough to be one', () => {
    assert.ok(steps.length >= 6, `only ${steps.length} commands stand under "## Five minutes"`);
  });

  it('has all commands of the README, but for those that say why not', () => {
    const commands = blocksOf(readme).filter(({ language, notRun }) => language === 'sh' && !notRun);
    assert.deepEqual(
      commands.map(({ line }) => line),
      steps.map(({ line }) => line),
    );
  });

  it('runs from its first line to its last', (t) => shell.runSteps(t, steps, burgee));

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
    const code = `${addressed(snippet, burgee)}\nprocess.stdout.write(String(raised));`;
    const env = { SDK_KEY: burgee.serverKey };
    const { output, complaints } = await shell.run(
      process.execPath,
      ['--input-type=module', '--eval', code],
      {
        cwd: here,
        env,
      },
    );
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
    const marked = ['words', '', '<!-- not run: it waits -->', '```sh', 'wait', '```', '```sh', 'ask', '```'];
    const [waits, asks] = blocksOf(marked.join('\n'));
    assert.deepEqual([waits.notRun, waits.about, asks.notRun], ['it waits', 'words', undefined]);
    assert.deepEqual(stepsOf([waits, asks]), [{ ...asks, expected: [] }]);
    assert.throws(() => stepsOf([{ language: 'js', line: 3 }]), /line 3/);
  });
});
