// The official OpenFeature providers of five languages, as their registries have them, in one scenario against the
// running program. `providers/scenario.json` has the questions and what must come, `providers/flags.jsonl` the flags,
// each as it is sent: it matters there whether a number is written as 10 or as 10.0.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { EventSource } from 'eventsource';
import { Burgee, until } from './burgee.mjs';
import { Child } from './providers/child.mjs';
import * as server from './providers/javascript/server.mjs';
import * as web from './providers/javascript/web.mjs';
import { BrowserApplication } from './providers/page.mjs';
import { buildGo, buildJava, buildPython } from './providers/toolchains.mjs';
import { Wire } from './providers/wire.mjs';

// Node has none; the provider uses the browser's.
globalThis.EventSource ??= EventSource;

/** A page must know of a change this soon, in milliseconds, if it is told. */
const SOON = 2_000;
/** How often a page asks, where it polls, in milliseconds. */
const POLL = 50;

const read = (name) => readFile(new URL(`providers/${name}`, import.meta.url), 'utf8');
const { questions, metadata_of_errors: metadataOfErrors } = JSON.parse(await read('scenario.json'));
const flags = (await read('flags.jsonl')).trim().split('\n');

/** All at once, since each waits for the network most of the time. A failure is told by who waits for it. */
const builds = { go: buildGo(), python: buildPython(), java: buildJava() };
for (const build of Object.values(builds)) build.catch(() => {});
const child = (language) => async () => new Child((await builds[language])('ask'));

/**
 * Providers by the name of their place in the scenario. Those of servers are asked with a server key and ask Burgee
 * each time; those of pages have a client key and keep all answers.
 */
const PROVIDERS = [
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

/** The running program. */
let burgee;
/** The flags as they were made, by key. */
const made = {};

before(async () => {
  burgee = await Burgee.start();
  for (const flag of flags) {
    const { key } = JSON.parse(flag);
    made[key] = await burgee.makeFlag(flag);
  }
  await burgee.settled(Object.values(made).at(-1));
});

after(() => burgee?.stop());

/** What must come. An error carries no variant, and the default holds. */
function expectation(question, as) {
  const { because, ...own } = question.expected_in?.[as] ?? { because: 'it does as the others do' };
  assert.ok(because, `${question.name}: why does ${as} differ?`);
  const usual = { value: question.default, variant: null, errorCode: null, ...question.expect };
  const expected = own.errorCode ? { value: question.default, variant: null, ...own } : { ...usual, ...own };
  return expected.errorCode ? { ...expected, reason: 'ERROR' } : expected;
}

/** What the metadata must say: where the answer came from, and only to a server by which rule. */
function expectedMetadata(question, { as, keeps }, { revision }) {
  const { version, rules } = made[question.flag];
  const expected = { flagSetId: 'default/development', version: String(version), ...question.metadata };
  if (question.by_rule && !keeps) expected.ruleId = rules[0].id;
  if (keeps) return expected;
  assert.ok(Number.isInteger(revision) && revision >= version, `${as}: revision ${revision}`);
  return { ...expected, revision };
}

/** Fails unless a provider gave what the scenario says. */
function assertGave(given, question, provider) {
  const { value, reason, errorMessage, metadata } = given;
  // Languages without "none" have the empty text.
  const [variant, errorCode] = [given.variant || null, given.errorCode || null];
  const expected = expectation(question, provider.as);
  assert.deepEqual({ value, variant, reason, errorCode }, expected, errorMessage);
  if (expected.errorCode === null) {
    assert.deepEqual(metadata, expectedMetadata(question, provider, metadata));
  } else {
    assert.ok(errorMessage, 'an error says what is wrong');
    const known = metadataOfErrors[provider.as];
    for (const name of Object.keys(metadata ?? {})) assert.ok(known.includes(name), `metadata ${name}`);
  }
}

const toggled = {
  flag: 'toggled',
  type: 'boolean',
  default: false,
  context: { targetingKey: 'ada' },
  expect: { value: true, variant: 'on', reason: 'STATIC' },
};
const lowered = { ...toggled, default: true, expect: { value: false, variant: 'off', reason: 'DISABLED' } };
/** What Go makes of a lowered flag is its own: see the scenario. */
lowered.expected_in = { go: { value: true, because: 'it keeps the default of whatever is DISABLED' } };

/** Raises or lowers the flag, and waits until applications are answered so. */
async function toggle(enabled) {
  await burgee.settled((made.toggled = await burgee.setEnabled('toggled', enabled)));
}

for (const provider of PROVIDERS) {
  describe(`the provider of ${provider.name}`, () => {
    let [application, wire, key] = [];

    before(async () => {
      wire = await Wire.open(burgee.url);
      application = await provider.open();
      key = burgee.serverKey;
      if (provider.keeps) {
        const origins = application.origin && [application.origin];
        ({ key } = await burgee.change('POST', '/api/v1/sdk-keys', {
          name: 'page',
          kind: 'client',
          origins,
        }));
        await until('the key opens', async () => (await burgee.evaluateAll(key)).ok);
      }
    });

    after(async () => {
      await application?.close();
      await wire?.close();
    });

    /** A question to this provider; options of its own make a provider of its own. */
    const about = ({ options, ...question }) => {
      const advised = { cacheMode: 'network-first', ...options };
      return { url: wire.url, key, ...(provider.keeps && { options: advised }), ...question };
    };
    const evaluationsSince = (from) =>
      wire.calls.slice(from).filter(({ method, path }) => method === 'POST' && path.startsWith('/ofrep/'));

    for (const question of questions) {
      it(`gives ${question.name}`, async () => {
        assertGave(await application.ask(about(question)), question, provider);
      });
    }

    it('is refused with a wrong key, and keeps the default', async () => {
      const from = wire.calls.length;
      const wrong = { ...toggled, key: `${key.slice(0, -1)}!` };
      const errorCode = provider.keeps ? 'PROVIDER_FATAL' : 'GENERAL';
      const given = await application.ask(about(wrong));
      assert.deepEqual([given.value, given.errorCode], [false, errorCode], given.errorMessage);
      assert.deepEqual(
        evaluationsSince(from).map(({ status }) => status),
        [401],
      );
    });

    if (!provider.keeps) {
      it('asks anew each time, and so sees a toggle with the next question', async () => {
        const from = wire.calls.length;
        await toggle(true);
        assertGave(await application.ask(about(toggled)), toggled, provider);
        assertGave(await application.ask(about(toggled)), toggled, provider);
        await toggle(false);
        assertGave(await application.ask(about(lowered)), lowered, provider);
        await toggle(true);
        assertGave(await application.ask(about(toggled)), toggled, provider);
        const call = { path: '/ofrep/v1/evaluate/flags/toggled', status: 200, asked: null, etag: null };
        assert.deepEqual(
          evaluationsSince(from).map(({ path, status, asked, etag }) => ({ path, status, asked, etag })),
          [call, call, call, call],
        );
      });
      return;
    }

    it('asks for all flags at once, and is sent nothing as long as nothing changed', async () => {
      const context = { targetingKey: 'grace', plan: 'free' };
      const from = wire.calls.length;
      for (const question of questions) await application.ask(about({ ...question, context }));
      await application.refresh(about({ context }));
      const [first, again, ...others] = evaluationsSince(from);
      assert.deepEqual(others, []);
      assert.deepEqual([first.path, first.status], ['/ofrep/v1/evaluate/flags', 200]);
      assert.deepEqual([again.status, again.asked, again.etag], [304, first.etag, first.etag]);
    });

    it('sees a toggle by polling', async () => {
      await toggle(true);
      const options = { pollInterval: POLL, changeDetection: 'polling' };
      const from = wire.calls.length;
      assertGave(await application.ask(about({ ...toggled, options })), toggled, provider);
      await until('it polls', () => evaluationsSince(from).length > 3);
      const [first, ...polls] = evaluationsSince(from);
      assert.equal(first.status, 200);
      for (const { status, asked } of polls) assert.deepEqual([status, asked], [304, first.etag]);
      await toggle(false);
      const changes = () => application.changes(about({ ...lowered, options }));
      await until('the toggle is seen', async () => (await changes()).length > 0);
      assert.deepEqual(await changes(), [['toggled']]);
      assertGave(await application.ask(about({ ...lowered, options })), lowered, provider);
    });

    it('is told of a toggle, without polling', async () => {
      await toggle(true);
      const options = { pollInterval: 0 };
      const from = wire.calls.length;
      assertGave(await application.ask(about({ ...toggled, options })), toggled, provider);
      await until(
        'its stream is open',
        () =>
          wire.calls
            .slice(from)
            .some(({ path, status }) => path.startsWith('/sdk/v1/stream') && status === 200),
        SOON,
      );
      const asked = evaluationsSince(from).length;
      made.toggled = await burgee.setEnabled('toggled', false);
      const changes = () => application.changes(about({ ...lowered, options }));
      await until('the toggle is seen', async () => (await changes()).length > 0, SOON);
      assert.deepEqual(await changes(), [['toggled']]);
      assertGave(await application.ask(about({ ...lowered, options })), lowered, provider);
      const calls = evaluationsSince(from).slice(asked);
      assert.ok(calls.some(({ status }) => status === 200));
      // What it was not told would have no tag.
      for (const { path } of calls) assert.match(path, /[?&]flagConfigEtag=/);
    });

    if (!provider.inBrowser) return;

    it('may ask from the origin of its key, which the browser made sure of', () => {
      const asked = wire.calls.filter(({ method }) => method === 'OPTIONS');
      assert.ok(asked.length > 0, 'the browser asked before it asked');
      for (const { origin, path } of wire.calls) assert.equal(origin, application.origin, path);
    });

    it('may not ask from any other, and keeps its defaults there', async () => {
      const page = await application.openPage(application.otherOrigin);
      const given = await application.call('ask', about(toggled), page);
      assert.deepEqual([given.value, given.errorCode], [false, 'FLAG_NOT_FOUND'], given.errorMessage);
      const asked = wire.calls.filter(
        ({ method, origin }) => method === 'POST' && origin === application.otherOrigin,
      );
      assert.deepEqual(
        asked.map(({ status }) => status),
        [403],
      );
    });

    it('would give what it kept of another context first, as long as nobody chose otherwise', async () => {
      const of = ({ name }) => name === 'a string by rule, in any script';
      const premium = about({ ...questions.find(of), options: { cacheMode: 'local-cache-first' } });
      const free = { ...premium, context: { ...premium.context, plan: 'free' } };
      assert.equal((await application.ask(free)).value, 'Hello');
      const { value, reason } = await application.ask(premium);
      assert.deepEqual([value, reason], ['Hello', 'CACHED']);
      await until('it is fresh', async () => (await application.ask(premium)).reason !== 'CACHED');
      assertGave(await application.ask(premium), premium, provider);
    });
  });
}
