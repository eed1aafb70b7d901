// The official OpenFeature providers of five languages, as their registries have them, in one scenario against the
// running program. `scenario.json` has the questions and what must come, `flags.jsonl` the flags,
// each as it is sent: it matters there whether a number is written as 10 or as 10.0.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { Burgee, until } from '../burgee.mjs';
import { PROVIDERS, openKey } from './applications.mjs';
import { Wire } from './wire.mjs';

/** A page must know of a change this soon, in milliseconds, if it is told. */
const SOON = 2_000;
/** How often a page asks, where it polls, in milliseconds. */
const POLL = 50;

const read = (name) => readFile(new URL(name, import.meta.url), 'utf8');
const { questions, metadata_of_errors: metadataOfErrors } = JSON.parse(await read('scenario.json'));
const flags = (await read('flags.jsonl')).trim().split('\n');

/** The running program. */
let burgee;
/** The flags as they were made, by key. */
const made = {};

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

describe('one scenario for all providers', () => {
  before(async () => {
    burgee = await Burgee.start();
    for (const flag of flags) {
      const { key } = JSON.parse(flag);
      made[key] = await burgee.makeFlag(flag);
    }
    await burgee.settled(Object.values(made).at(-1));
  });

  after(() => burgee?.stop());

  for (const provider of PROVIDERS) {
    describe(`the provider of ${provider.name}`, () => {
      let [application, wire, key] = [];

      before(async () => {
        wire = await Wire.open(burgee.url);
        application = await provider.open();
        key = await openKey(burgee, provider, application);
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
      const evaluationsSince = (from) => wire.evaluations.slice(from);
      /** Something about a provider that has a wire to itself: others that are told of changes ask as well. */
      async function apart(whatHappens) {
        const own = await Wire.open(burgee.url);
        await whatHappens(own, (question) => about({ ...question, url: own.url })).finally(() => own.close());
      }

      for (const question of questions) {
        it(`gives ${question.name}`, async () => {
          assertGave(await application.ask(about(question)), question, provider);
        });
      }

      it('is refused with a wrong key, and keeps the default', async () => {
        const from = wire.evaluations.length;
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
          const from = wire.evaluations.length;
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
        const from = wire.evaluations.length;
        for (const question of questions) await application.ask(about({ ...question, context }));
        await application.refresh(about({ context }));
        const [first, again, ...others] = evaluationsSince(from);
        assert.deepEqual(others, []);
        assert.deepEqual([first.path, first.status], ['/ofrep/v1/evaluate/flags', 200]);
        assert.deepEqual([again.status, again.asked, again.etag], [304, first.etag, first.etag]);
      });

      it('sees a toggle by polling', async () => {
        await toggle(true);
        await apart(async (own, here) => {
          const options = { pollInterval: POLL, changeDetection: 'polling' };
          assertGave(await application.ask(here({ ...toggled, options })), toggled, provider);
          await until('it polls', () => own.evaluations.length > 3);
          const [first, ...polls] = [...own.evaluations];
          assert.equal(first.status, 200);
          for (const { status, asked } of polls) assert.deepEqual([status, asked], [304, first.etag]);
          await toggle(false);
          const changes = () => application.changes(here({ ...lowered, options }));
          await until('the toggle is seen', async () => (await changes()).length > 0);
          assert.deepEqual(await changes(), [['toggled']]);
          assertGave(await application.ask(here({ ...lowered, options })), lowered, provider);
        });
      });

      it('is told of a toggle, without polling', async () => {
        await toggle(true);
        await apart(async (own, here) => {
          assertGave(await application.ask(here(toggled)), toggled, provider);
          await until('its stream is open', () => own.streams.length > 0, SOON);
          made.toggled = await burgee.setEnabled('toggled', false);
          const changes = () => application.changes(here(lowered));
          await until('the toggle is seen', async () => (await changes()).length > 0, SOON);
          assert.deepEqual(await changes(), [['toggled']]);
          assertGave(await application.ask(here(lowered)), lowered, provider);
          const [first, ...calls] = own.evaluations;
          assert.equal(first.asked, null);
          assert.ok(calls.some(({ status }) => status === 200));
          // Whatever it asked since, it was told to.
          for (const { path } of calls) assert.match(path, /[?&]flagConfigEtag=/);
        });
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
});
