// What an application sees: the official OpenFeature SDKs with their OFREP providers, against the running program.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature as ServerSdk } from '@openfeature/server-sdk';
import { OpenFeature as WebSdk, ProviderEvents, ProviderStatus } from '@openfeature/web-sdk';
import { Burgee, PATIENCE, until } from './burgee.mjs';
import {
  SHAPES,
  divided,
  hidden,
  invited,
  lowered,
  shapedFlags,
  shown,
  toggled,
  undecided,
} from './flags.mjs';

/** The running program. */
let burgee;
/** The flags as they were made, by key. */
const made = {};

before(async () => {
  burgee = await Burgee.start();
  let last;
  for (const flag of [...shapedFlags, shown, invited, divided, lowered, undecided, hidden, toggled]) {
    last = made[flag.key] = await burgee.makeFlag(flag);
  }
  await burgee.settled(last);
});

after(async () => {
  await ServerSdk.close();
  await WebSdk.close();
  await burgee?.stop();
});

/** Domains keep the providers of different tests apart. */
let domains = 0;
const newDomain = () => `test-${(domains += 1)}`;

/** A `fetch` that also writes down what was asked and answered. */
function recorder() {
  const calls = [];
  const fetchImplementation = async (request, init) => {
    const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE), ...init });
    const [asked, etag] = [request.headers.get('If-None-Match'), answer.headers.get('ETag')];
    calls.push({ status: answer.status, asked, etag });
    return answer;
  };
  return { calls, fetchImplementation };
}

/** The SDK's method for a flag's kind, bound. */
function ask(client, kind) {
  const name = `get${kind[0].toUpperCase()}${kind.slice(1)}Details`;
  return client[name].bind(client);
}

/** A default of the same type that nobody could take for a value of the flag. */
function otherThan(value) {
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number') return value + 1;
  return typeof value === 'string' ? `not ${value}` : { not: value };
}

/** Fails unless the flag, asked for alone, gave this, and its metadata says where it came from. */
function assertGave(details, expected) {
  const { version } = made[details.flagKey];
  const { revision, ...metadata } = details.flagMetadata;
  assertGaveAmongAll({ ...details, flagMetadata: metadata }, expected);
  assert.ok(Number.isInteger(revision) && revision >= version, `revision ${revision}, version ${version}`);
}

/** The same of a flag that was asked for with all others: the revision is said once for all of them. */
function assertGaveAmongAll(details, { value, variant, reason, ruleId }) {
  const { key, version } = made[details.flagKey];
  assert.deepEqual(details, {
    flagKey: key,
    value,
    variant,
    reason,
    flagMetadata: {
      flagSetId: 'default/development',
      version: String(version),
      ...(ruleId === undefined ? {} : { ruleId }),
    },
  });
}

/** Fails unless the caller's own default held, for this reason. */
function assertKept(details, value, errorCode) {
  const { value: given, reason, variant, errorCode: code } = details;
  assert.deepEqual(
    { given, reason, variant, code },
    { given: value, reason: 'ERROR', variant: undefined, code: errorCode },
  );
}

describe('an application on a server', () => {
  /** A client whose provider sends these headers. */
  async function connect(headers) {
    const [domain, { calls, fetchImplementation }] = [newDomain(), recorder()];
    await ServerSdk.setProviderAndWait(
      domain,
      new OFREPProvider({ baseUrl: burgee.url, headers, fetchImplementation }),
    );
    return { client: ServerSdk.getClient(domain), calls };
  }

  let client;
  before(async () => {
    ({ client } = await connect([['X-API-Key', burgee.serverKey]]));
  });

  for (const { key, kind, usual, premium } of SHAPES) {
    it(`gets the ${kind} ${key} by default and by rule`, async () => {
      const details = (plan, value) =>
        ask(client, kind)(key, otherThan(value), { targetingKey: 'ada', plan });
      assertGave(await details('free', usual), { value: usual, variant: 'usual', reason: 'DEFAULT' });
      const ruleId = made[key].rules[0].id;
      assert.ok(ruleId);
      assertGave(await details('premium', premium), {
        value: premium,
        variant: 'premium',
        reason: 'TARGETING_MATCH',
        ruleId,
      });
    });
  }

  it('gets a flag without conditions, and needs no context for it', async () => {
    assertGave(await client.getBooleanDetails('shown', false), {
      value: true,
      variant: 'on',
      reason: 'STATIC',
    });
  });

  it('gets what its targeting key is listed for, exactly', async () => {
    const details = (targetingKey) => client.getStringDetails('invited', 'not at all', { targetingKey });
    const host = { value: 'as a host', variant: 'host', reason: 'TARGETING_MATCH' };
    const guest = { value: 'as a guest', variant: 'guest', reason: 'DEFAULT' };
    assertGave(await details('ada'), host);
    assertGave(await details('Grace'), host);
    assertGave(await details('grace'), guest);
    assertGave(await details('bob'), guest);
  });

  it('gets its share of a split, the same that every engine computes', async () => {
    const details = (targetingKey) => client.getStringDetails('new-checkout-flow', '', { targetingKey });
    assertGave(await details('user-2'), { value: '22688', variant: 'there', reason: 'SPLIT' });
    // At 72722 and 46653.
    for (const key of ['user-1', 'user-42']) {
      assertGave(await details(key), { value: 'above 22688', variant: 'above', reason: 'SPLIT' });
    }
  });

  it('keeps its default where a split has no key to go by', async () => {
    assertKept(
      await client.getStringDetails('new-checkout-flow', 'mine', { plan: 'free' }),
      'mine',
      'TARGETING_KEY_MISSING',
    );
  });

  it('keeps its default for a flag that is not there', async () => {
    assertKept(
      await client.getStringDetails('no-such-flag', 'mine', { targetingKey: 'ada' }),
      'mine',
      'FLAG_NOT_FOUND',
    );
  });

  it('gets the off variant of a lowered flag, targets or not', async () => {
    const details = await client.getNumberDetails('lowered', 3, { targetingKey: 'ada' });
    assertGave(details, { value: 0, variant: 'none', reason: 'DISABLED' });
  });

  it('keeps its default where it asks for another type', async () => {
    assertKept(await client.getNumberDetails('greeting', 7, { targetingKey: 'ada' }), 7, 'TYPE_MISMATCH');
    assertKept(
      await client.getBooleanDetails('page-size', true, { targetingKey: 'ada' }),
      true,
      'TYPE_MISMATCH',
    );
  });

  it('keeps its default for a flag that leaves it to the application', async () => {
    // Provider 0.1.3 is older than answers without a value: it calls them unexpected, and the default holds.
    for (const mine of [true, false]) {
      assertKept(await client.getBooleanDetails('undecided', mine, { targetingKey: 'ada' }), mine, 'GENERAL');
    }
  });

  it('is shown flags that browsers are not', async () => {
    assertGave(await client.getBooleanDetails('hidden', false), {
      value: true,
      variant: 'on',
      reason: 'STATIC',
    });
  });

  it('may send its key as a bearer token', async () => {
    const bearer = await connect([['Authorization', `Bearer ${burgee.serverKey}`]]);
    assert.equal(await bearer.client.getBooleanValue('shown', false), true);
  });

  it('is refused with a wrong key, and keeps its default', async () => {
    const { client: stranger, calls } = await connect([['X-API-Key', `${burgee.serverKey.slice(0, -1)}!`]]);
    assertKept(await stranger.getBooleanDetails('shown', false), false, 'GENERAL');
    assert.deepEqual(
      calls.map((call) => call.status),
      [401],
    );
  });

  it('is refused once its key is revoked', async () => {
    const { id, key } = await burgee.makeSdkKey('server');
    const { client: leaving, calls } = await connect([['X-API-Key', key]]);
    assert.equal(await until('the key opens', () => leaving.getBooleanValue('shown', false)), true);
    await burgee.change('DELETE', `/api/v1/sdk-keys/${id}`);
    await until('the key opens no more', async () => !(await leaving.getBooleanValue('shown', false)));
    assert.equal(calls.at(-1).status, 401);
  });

  it('gets another environment by another key', async () => {
    const { key } = await burgee.makeSdkKey('server', 'staging');
    const { client: staging } = await connect([['X-API-Key', key]]);
    await until('the key opens', async () => (await burgee.evaluateAll(key)).ok);
    const { value, variant, reason, flagMetadata } = await staging.getBooleanDetails('shown', true);
    assert.deepEqual({ value, variant, reason }, { value: false, variant: 'off', reason: 'DISABLED' });
    assert.equal(flagMetadata.flagSetId, 'default/staging');
  });

  it('sees a toggle with its next question', async () => {
    await burgee.settled(await burgee.setEnabled('toggled', false));
    const { value, reason } = await client.getBooleanDetails('toggled', true);
    assert.deepEqual({ value, reason }, { value: false, reason: 'DISABLED' });
    await burgee.settled((made.toggled = await burgee.setEnabled('toggled', true)));
    assertGave(await client.getBooleanDetails('toggled', false), {
      value: true,
      variant: 'on',
      reason: 'STATIC',
    });
  });
});

describe('an application in a browser', () => {
  /** A client for a context; `pollInterval` in milliseconds, if it polls. */
  async function connect(context, { key = burgee.clientKey, pollInterval } = {}) {
    const [domain, { calls, fetchImplementation }] = [newDomain(), recorder()];
    const options = { baseUrl: burgee.url, headers: [['X-API-Key', key]], pollInterval, fetchImplementation };
    // What is cached by a browser would hide what is answered.
    const provider = new OFREPWebProvider({ ...options, cacheMode: 'disabled' });
    const client = WebSdk.getClient(domain);
    const ready = WebSdk.setProviderAndWait(domain, provider, context);
    return { client, calls, provider, ready, setContext: (next) => WebSdk.setContext(domain, next) };
  }

  /** The same, when it is ready. */
  async function connected(context, options) {
    const connection = await connect(context, options);
    await connection.ready;
    return connection;
  }

  const assertShapes = (client, which, variant, reason) => {
    for (const { key, kind, [which]: value } of SHAPES) {
      // No rule is named: browsers are not told of rules.
      assertGaveAmongAll(ask(client, kind)(key, otherThan(value)), { value, variant, reason });
    }
  };

  it('gets flags of every kind, and new ones when its context changes in any attribute', async () => {
    const { client, calls, setContext } = await connected({ targetingKey: 'ada', plan: 'free' });
    assertShapes(client, 'usual', 'usual', 'DEFAULT');
    await setContext({ targetingKey: 'ada', plan: 'premium' });
    assertShapes(client, 'premium', 'premium', 'TARGETING_MATCH');
    await setContext({ targetingKey: 'ada', plan: 'free' });
    assertShapes(client, 'usual', 'usual', 'DEFAULT');
    // The provider said each time that it has the answer for the other context; it was not told "unchanged".
    const [free, premium, again] = calls;
    assert.deepEqual(
      calls.map(({ status, asked }) => [status, asked]),
      [
        [200, null],
        [200, free.etag],
        [200, premium.etag],
      ],
    );
    assert.notEqual(free.etag, premium.etag);
    assert.equal(again.etag, free.etag);
  });

  it('gets what its targeting key is listed for, and its share of a split', async () => {
    const { client, setContext } = await connected({ targetingKey: 'ada' });
    assertGaveAmongAll(client.getStringDetails('invited', ''), {
      value: 'as a host',
      variant: 'host',
      reason: 'TARGETING_MATCH',
    });
    await setContext({ targetingKey: 'user-2' });
    assertGaveAmongAll(client.getStringDetails('invited', ''), {
      value: 'as a guest',
      variant: 'guest',
      reason: 'DEFAULT',
    });
    assertGaveAmongAll(client.getStringDetails('new-checkout-flow', ''), {
      value: '22688',
      variant: 'there',
      reason: 'SPLIT',
    });
    await setContext({ targetingKey: 'user-1' });
    assertGaveAmongAll(client.getStringDetails('new-checkout-flow', ''), {
      value: 'above 22688',
      variant: 'above',
      reason: 'SPLIT',
    });
  });

  it('keeps its default where there is no value, and says why', async () => {
    const { client } = await connected({ plan: 'free' });
    assertKept(client.getStringDetails('no-such-flag', 'mine'), 'mine', 'FLAG_NOT_FOUND');
    assertKept(client.getStringDetails('new-checkout-flow', 'mine'), 'mine', 'TARGETING_KEY_MISSING');
    assertKept(client.getNumberDetails('greeting', 7), 7, 'TYPE_MISMATCH');
    assertGaveAmongAll(client.getNumberDetails('lowered', 3), {
      value: 0,
      variant: 'none',
      reason: 'DISABLED',
    });
    for (const value of [true, false]) {
      assertGaveAmongAll(client.getBooleanDetails('undecided', value), {
        value,
        variant: '',
        reason: 'DEFAULT',
      });
    }
  });

  it('is not shown what is not for browsers', async () => {
    const { client, provider } = await connected({ targetingKey: 'ada' });
    assertKept(client.getBooleanDetails('hidden', false), false, 'FLAG_NOT_FOUND');
    const visible = Object.keys(made).filter((key) => key !== 'hidden');
    assert.deepEqual(Object.keys(provider.flagCache).sort(), visible.sort());
    assert.ok(!JSON.stringify(provider.flagCache).includes('ruleId'));
  });

  it('is refused with a wrong key, for good', async () => {
    const { client, calls, ready } = await connect({ targetingKey: 'ada' }, { key: 'bgc_wrong' });
    await assert.rejects(ready);
    assert.equal(client.providerStatus, ProviderStatus.FATAL);
    assert.deepEqual(
      calls.map((call) => call.status),
      [401],
    );
    assert.equal(client.getBooleanValue('shown', false), false);
  });

  it('sees a toggle by polling, and nothing is sent as long as nothing changed', async () => {
    await burgee.settled((made.toggled = await burgee.setEnabled('toggled', true)));
    const { client, calls } = await connected({ targetingKey: 'ada' }, { pollInterval: 20 });
    const changes = [];
    client.addHandler(ProviderEvents.ConfigurationChanged, (event) => changes.push(event));
    const morePolls = (count, from = calls.length) => until('it polls', () => calls.length >= from + count);
    await morePolls(3);
    assertGaveAmongAll(client.getBooleanDetails('toggled', false), {
      value: true,
      variant: 'on',
      reason: 'STATIC',
    });

    made.toggled = await burgee.setEnabled('toggled', false);
    await until('the toggle is seen', () => changes.length > 0);
    assert.deepEqual(changes[0].flagsChanged, ['toggled']);
    assertGaveAmongAll(client.getBooleanDetails('toggled', true), {
      value: false,
      variant: 'off',
      reason: 'DISABLED',
    });
    await morePolls(3);

    // A change elsewhere is none here.
    const { key: stagingKey } = await burgee.makeSdkKey('server', 'staging');
    await burgee.settled(await burgee.setEnabled('toggled', true, 'staging'), stagingKey);
    await morePolls(3);

    const [first, ...polls] = calls;
    const at = polls.findIndex((poll) => poll.status === 200);
    const [earlier, news, later] = [polls.slice(0, at), polls[at], polls.slice(at + 1)];
    const unchangedSince = ({ etag }) => ({ status: 304, asked: etag, etag });
    assert.deepEqual(
      earlier,
      earlier.map(() => unchangedSince(first)),
    );
    assert.equal(news.asked, first.etag);
    assert.notEqual(news.etag, first.etag);
    assert.deepEqual(
      later,
      later.map(() => unchangedSince(news)),
    );
    assert.equal(changes.length, 1);
  });
});
