// The pages of docs/, run as they stand: the commands of a page in order in one shell, against a program of its own.
//
// A page finds `burgee` on its path with the server's environment, in PASSWORD that of the first admin, and in TOKEN a
// session token of theirs. A block that cannot run says why, alone in the line before it: `<!-- not run: … -->`; one
// that needs the database for itself says `<!-- the server has stopped -->`.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { Burgee } from './burgee.mjs';
import { Shell } from './shell.mjs';
import { blocksOf, stepsOf } from './tour.mjs';

const DOCS = new URL('../docs/', import.meta.url);
/** More than this many blocks of a page that are not run are more than a few. */
const MOST_NOT_RUN = 2;
/** Blocks in these languages are no commands, and nothing prints them. */
const SETTINGS = ['yaml', 'js'];

const names = (await readdir(DOCS, { recursive: true })).filter((name) => name.endsWith('.md')).sort();
const pages = await Promise.all(
  names.map(async (name) => ({ name, blocks: blocksOf(await readFile(new URL(name, DOCS), 'utf8')) })),
);
const withCommands = pages.filter(({ blocks }) => blocks.some(({ language }) => language === 'sh'));

/** Runs a page's commands. */
async function runPage(t, blocks) {
  const steps = stepsOf(blocks.filter(({ language }) => !SETTINGS.includes(language)));
  const [burgee, shell] = [await Burgee.start(), await Shell.open()];
  try {
    const credentials = { email: 'admin@burgee.local', password: burgee.adminPassword };
    const { token } = await burgee.change('POST', '/auth/login', credentials);
    const own = { TOKEN: token, PASSWORD: burgee.adminPassword, SERVER_PID: String(burgee.pid) };
    const PATH = [path.dirname(process.env.BURGEE), process.env.PATH].join(path.delimiter);
    await shell.runSteps(t, steps, burgee, { ...burgee.env, ...own, PATH });
  } finally {
    await burgee.stop();
    await shell.close();
  }
}

describe('the commands of the documentation', { concurrency: 2 }, () => {
  it('stand on most pages that people work by', () => {
    const found = withCommands.map(({ name }) => name);
    for (const name of ['accounts.md', 'backup.md', 'keys.md']) assert.ok(found.includes(name), name);
  });

  for (const { name, blocks } of withCommands) {
    it(`g1_docs/${name}`, (t) => runPage(t, blocks));
  }

  it('are left out for a reason, and seldom', () => {
    for (const { name, blocks } of pages) {
      const leftOut = blocks.filter(({ notRun }) => notRun !== undefined);
      assert.ok(leftOut.length <= MOST_NOT_RUN, `${name}: ${leftOut.length} blocks are not run`);
      for (const { line, notRun } of leftOut) {
        assert.ok(notRun.length > 20, `${name}, line ${line}: ${notRun} says nothing`);
      }
    }
  });
});
