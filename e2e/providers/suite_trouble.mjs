// What applications with the official OpenFeature providers meet when Burgee is gone, or asks them to wait.

import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Burgee, until } from '../burgee.mjs';
import { PROVIDERS, openKey } from './applications.mjs';
import { Wire } from './wire.mjs';

/** Who asks more often than once a second is told to wait. The local profile counts nobody. */
const STRICT = { limits: { delivery: { per_credential: { rate: 1, burst: 1 } } } };
const PRODUCTION = { BURGEE_PROFILE: 'production' };
/** How long those who ask too often are told to wait, in milliseconds; and when they have done so for sure. */
const SECOND = 1_000;
const WAIT = 1_100;

/** How long streams may take to come back, in milliseconds: not all of them may do so at once. */
const LONG = 40_000;

/** They take no notice of the wait. */
const ASKS_ON = ['go'];

let burgee;
/** One of each provider, with what goes over its wire. */
const applications = [];

/** Asks in a context; where it is another than before, pages ask Burgee as well. */
function ask({ application, wire, key }, context) {
  const options = { cacheMode: 'network-first' };
  const question = { url: wire.url, key, flag: 'shown', type: 'boolean', default: false, context, options };
  return application.ask(question);
}

let users = 0;
const newUser = () => ({ targetingKey: `user-${(users += 1)}` });
const gives = async (application, context = newUser()) => (await ask(application, context)).value === true;

/** Fails unless the default held, or in a page what it had. */
function assertKept({ value, errorCode }, { keeps, name }) {
  assert.deepEqual([value, errorCode || null], keeps ? [true, null] : [false, 'GENERAL'], name);
}

/** Leads all to where Burgee is now. */
function lead() {
  for (const { wire } of applications) wire.target = burgee.url;
}

describe('applications, while Burgee', () => {
  before(async () => {
    burgee = await Burgee.start();
    await burgee.settled(await burgee.makeFlag({ key: 'shown', enabled: true, client_visible: true }));
    for (const provider of PROVIDERS) {
      const application = await provider.open();
      const [wire, key] = [await Wire.open(burgee.url), await openKey(burgee, provider, application)];
      applications.push({ ...provider, application, wire, key });
    }
  });

  after(async () => {
    for (const { application, wire } of applications) {
      await application.close();
      await wire.close();
    }
    await burgee?.stop();
  });

  it('is gone, keep their defaults, or in pages what they have; and miss nothing', async () => {
    for (const application of applications) assert.ok(await gives(application), application.name);
    for (const { name, keeps, wire } of applications) {
      if (keeps) await until(`${name} has its stream`, () => wire.streams.length > 0);
    }
    await burgee.kill();
    const user = newUser();
    for (const application of applications) assertKept(await ask(application, user), application);
    await burgee.restart();
    const lowered = await burgee.setEnabled('shown', false);
    await burgee.settled(lowered);
    lead();
    // Nobody does anything in the pages: they find out by themselves.
    for (const application of applications) {
      await until(`${application.name} sees it lowered`, async () => !(await gives(application, user)), LONG);
    }
    await burgee.settled(await burgee.setEnabled('shown', true));
    for (const application of applications) {
      await until(`${application.name} sees it raised`, () => gives(application, user), LONG);
    }
  });

  it('tells them to wait, keep their defaults, or in pages what they have; and wait', async () => {
    await burgee.kill();
    await burgee.restart(STRICT, PRODUCTION);
    lead();
    for (const application of applications) {
      const { name, as, wire } = application;
      await until(`${name} is let in`, () => gives(application));
      // A busy machine may need more than a second for two questions; then the second is let in as well.
      await until(`${name} is told to wait, and asked again within a second`, async () => {
        const [begun, had] = [performance.now(), wire.evaluations.length];
        const answer = await ask(application, newUser());
        const so = wire.evaluations.length;
        if (so === had || wire.evaluations.at(-1).status !== 429) return false;
        assertKept(answer, application);
        await ask(application, newUser());
        const more = wire.evaluations.length - so;
        if (performance.now() - begun >= SECOND) return false;
        assert.equal(more, ASKS_ON.includes(as) ? 1 : 0, name);
        return true;
      });
      await wait(WAIT);
      assert.ok(await gives(application), `${name} asks again`);
    }
  });
});
