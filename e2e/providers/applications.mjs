// Applications with the official OpenFeature providers, all of which are asked in the same way.

import { EventSource } from 'eventsource';
import { until } from '../burgee.mjs';
import { Child } from './child.mjs';
import * as server from './javascript/server.mjs';
import * as web from './javascript/web.mjs';
import { BrowserApplication } from './page.mjs';
import { buildGo, buildJava, buildJavaScript, buildPython } from './toolchains.mjs';

// Node has none; the provider uses the browser's.
globalThis.EventSource ??= EventSource;

const BUILDS = { go: buildGo, python: buildPython, java: buildJava, javascript: buildJavaScript };
/** All at once, since each waits for the network most of the time. A failure is told by who waits for it. */
const built = new Map(Object.entries(BUILDS).map(([language, build]) => [language, build()]));
for (const build of built.values()) build.catch(() => {});

/** Languages that applications on servers are written in. */
export const LANGUAGES = Object.keys(BUILDS);

/** How a program of a language is started: `ask`, or `connect`, which is the documentation's. */
export const commandOf = async (language, program) => (await built.get(language))(program);

const child = (language) => async () => new Child(await commandOf(language, 'ask'));

/**
 * By the name of their place in the scenario. Those of servers are asked with a server key and ask Burgee each time;
 * those of pages have a client key and keep all answers.
 */
export const PROVIDERS = [
  { name: 'JavaScript', as: 'javascript', keeps: false, open: async () => server },
  { name: 'Go', as: 'go', keeps: false, open: child('go') },
  { name: 'Python', as: 'python', keeps: false, open: child('python') },
  { name: 'Java', as: 'java', keeps: false, open: child('java') },
  { name: 'web, in Node', as: 'web', keeps: true, open: async () => web },
  {
    name: 'web, in Chromium',
    as: 'web',
    keeps: true,
    inBrowser: true,
    open: () => BrowserApplication.open(),
  },
];

/** Makes the key that such an application has, and gives it when it opens. */
export async function openKey(burgee, { keeps }, { origin }) {
  const wanted = { name: 'e2e', kind: keeps ? 'client' : 'server', origins: origin && [origin] };
  const { key } = await burgee.change('POST', '/api/v1/sdk-keys', wanted);
  await until('the key opens', async () => (await burgee.evaluateAll(key)).ok);
  return key;
}
