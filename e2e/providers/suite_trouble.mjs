// What applications with the official OpenFeature providers meet when Burgee is gone, or asks them to wait.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Burgee, until } from '../burgee.mjs';
import { PROVIDERS, openKey } from './applications.mjs';
import { Wire } from './wire.mjs';

/** Who asks more often than once a second is told to wait. The local profile counts nobody. */
const STRICT = { limits: { delivery: { per_credential: { rate: 1, burst: 1 } } } };
const PRODUCTION = { BURGEE_PROFILE: 'production' };
/** How long those who were told to wait a second do, in milliseconds. */
const WAIT = 1_100;

/** How long streams may take to come back, in milliseconds: not all of them may do so at once. */
const LONG = 40_000;

/** They take no notice of the wait. */
const ASKS_ON = ['go'];

let burgee;
/** One of each provider, with what goes over its wire. */
const applications = [];

/** Asks, each time in another context, so that pages ask Burgee as well. */
let asked = 0;
function ask({ application, wire, key }) {
  const context = { targetingKey: `user-${(asked += 1)}` };
  const options = { cacheMode: 'network-first' };
  const question = { url: wire.url, key, flag: 'shown', type: 'boolean', default: false, context, options };
  return application.ask(question);
}

/** Starts Burgee anew, and leads all there. */
async function restart(...how) {
  await burgee.kill();
  for (const application of applications) {
    // The reverse proxy before it finds nobody.
    const { value, errorCode } = await ask(application);
    const expected = application.keeps ? [true, null] : [false, 'GENERAL'];
    assert.deepEqual([value, errorCode || null], expected, application.name);
  }
  await burgee.restart(...how);
  for (const { wire } of applications) wire.target = burgee.url;
}

const gives = async (application) => (await ask(application)).value === true;

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

  it('is gone, keep their defaults, or in pages what they have; and find it again by themselves', async () => {
    for (const application of applications) assert.ok(await gives(application), application.name);
    const pages = applications.filter(({ keeps }) => keeps);
    for (const { name, wire } of pages) await until(`${name} has its stream`, () => wire.streams.length > 0);
    const earlier = new Map(pages.map(({ name, wire }) => [name, wire.streams.length]));
    await restart();
    for (const application of applications) assert.ok(await gives(application), application.name);
    for (const { name, wire } of pages) {
      await until(`${name} has its stream again`, () => wire.streams.length > earlier.get(name), LONG);
    }
  });

  it('tells them to wait, keep their defaults, or in pages what they have; and wait', async () => {
    await restart(STRICT, PRODUCTION);
    for (const application of applications) {
      const { name, as, keeps, wire } = application;
      await until(`${name} is let in`, () => gives(application));
      const refused = await ask(application);
      const kept = keeps ? [true, null] : [false, 'GENERAL'];
      assert.deepEqual([refused.value, refused.errorCode || null], kept, name);
      assert.equal(wire.evaluations.at(-1).status, 429, name);
      const so = wire.evaluations.length;
      await ask(application);
      assert.equal(wire.evaluations.length - so, ASKS_ON.includes(as) ? 1 : 0, name);
      await wait(WAIT);
      assert.ok(await gives(application), `${name} asks again: ${JSON.stringify(await ask(application))}`);
    }
  });
});
