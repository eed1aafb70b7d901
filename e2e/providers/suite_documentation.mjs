// docs/openfeature.md: the programs in it are those that stand here, and run.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { Burgee, PATIENCE } from '../burgee.mjs';
import { Shell } from '../shell.mjs';
import { blocksOf } from '../tour.mjs';
import { LANGUAGES, commandOf } from './applications.mjs';
import { ownEnvironment } from './child.mjs';
import { BrowserApplication } from './page.mjs';

const read = (name) => readFile(new URL(name, import.meta.url), 'utf8');
const page = await read('../../docs/openfeature.md');

/** Where the programs of the page are, in its order. */
const SNIPPETS = [
  'javascript/connect.mjs',
  'javascript/connect_web.mjs',
  'go/connect/main.go',
  'python/connect.py',
  'java/src/main/java/Connect.java',
];
/** The flag that they ask for. */
const NEW_CHECKOUT = {
  key: 'new-checkout',
  enabled: true,
  default_value: false,
  rules: [{ attribute: 'country', operator: 'in', value: 'DE, AT', variant: true }],
  client_visible: true,
};

/** What is pinned, each as `name version`. */
async function pinned() {
  const all = (text, pattern) =>
    [...text.matchAll(pattern)].map(([, name, version]) => `\`${name}\` ${version}`);
  const npm = all(await read('../package.json'), /"(@openfeature\/(?!core)\S+)": "(.+)"/g);
  const go = all(await read('go/go.mod'), /^\t(\S+open-feature\S+) v(\S+)$/gm);
  const python = all(await read('python/requirements.txt'), /^(openfeature\S+)==(\S+)$/gm);
  const maven =
    /<groupId>dev\.openfeature\S*<\/groupId>\s+<artifactId>(.+)<\/artifactId>\s+<version>(.+)<\/version>/g;
  const java = all(await read('java/pom.xml'), maven);
  for (const names of [npm, go, python, java]) assert.ok(names.length >= 2, names.join());
  return [...npm, ...go, ...python, ...java];
}

describe('the programs of docs/openfeature.md', () => {
  let [burgee, shell] = [];

  before(async () => {
    [burgee, shell] = [await Burgee.start(), await Shell.open()];
    await burgee.settled(await burgee.makeFlag(NEW_CHECKOUT));
  });

  after(async () => {
    await burgee?.stop();
    await shell?.close();
  });

  it('stand there as they are run', async () => {
    const blocks = blocksOf(page).filter(({ language }) => language !== '');
    const files = await Promise.all(SNIPPETS.map(read));
    assert.deepEqual(
      blocks.map(({ text }) => `${text}\n`),
      files,
    );
  });

  it('are run with what the page names', async () => {
    for (const name of await pinned())
      assert.ok(page.includes(name), `${name} is pinned, the page says another`);
  });

  for (const language of LANGUAGES) {
    it(`tell an application in ${language} of its flag`, async () => {
      const [program, ...args] = await commandOf(language, 'connect');
      const env = ownEnvironment({ BURGEE_URL: burgee.url, SDK_KEY: burgee.serverKey });
      const { code, output, complaints } = await shell.run(program, args, { env });
      // Python writes it large.
      assert.deepEqual([code, output.trim().toLowerCase()], [0, 'true'], complaints);
    });
  }

  it('tell a page of its flag, and of a toggle', async () => {
    const browser = await BrowserApplication.open();
    try {
      const text = await read('javascript/connect_web.mjs');
      const ours = text.replace('http://127.0.0.1:8080', burgee.url).replace('CLIENT_KEY', burgee.clientKey);
      const opened = await browser.openModule(ours);
      assert.equal(await opened.title(), 'New checkout');
      await burgee.setEnabled('new-checkout', false);
      await opened.waitForFunction("document.title === 'Checkout'", undefined, { timeout: PATIENCE });
    } finally {
      await browser.close();
    }
  });
});
