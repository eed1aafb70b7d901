// Signing in with a provider of identities, against a real one.

import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';

import { Browser } from './browser.mjs';
import { Burgee, until } from './burgee.mjs';
import { CLIENT, IdentityProvider } from './identity_provider.mjs';

const ADA = {
  email: 'Ada@example.com',
  email_verified: true,
  name: 'Ada',
  groups: ['everyone', 'devs', 'payments'],
};

suite('signing in with a provider of identities', () => {
  let idp;
  let burgee;
  let admin;

  before(async () => {
    idp = await IdentityProvider.listen();
    const provider = {
      name: 'Test',
      issuer: idp.issuer,
      client_id: CLIENT.id,
      scopes: ['openid', 'email', 'profile', 'groups'],
      roles: { devs: 'developer', admins: 'admin', readers: 'viewer' },
      teams: { payments: 'payments-team', gone: 'no-such-team' },
      client_secret: CLIENT.secret,
    };
    const providers = {
      test: { ...provider, client_secret: undefined },
      linking: { ...provider, roles: {}, link_by_email: true },
      ours: { ...provider, allowed_domains: ['example.org'] },
      // Somebody registered as another client would not get in.
      wrong: { ...provider, client_secret: 'another' },
    };
    burgee = await Burgee.start(
      { oidc: { providers } },
      { BURGEE__OIDC__PROVIDERS__TEST__CLIENT_SECRET: CLIENT.secret },
    );
    idp.open(Object.keys(providers).map((key) => `${burgee.url}/auth/oidc/${key}/callback`));
    const credentials = { email: 'admin@burgee.local', password: burgee.adminPassword };
    admin = (await burgee.change('POST', '/auth/login', credentials)).token;
    const { status } = await burgee.ask('POST', '/api/v1/teams', { key: 'payments-team' }, admin);
    assert.equal(status, 201);
  });
  after(async () => {
    await burgee?.stop();
    await idp?.close();
  });
  beforeEach(() => {
    idp.people = { ada: structuredClone(ADA) };
    idp.who = 'ada';
  });

  const start = (provider = 'test', returnTo = '/flags') =>
    `${burgee.url}/auth/oidc/${provider}/start?return_to=${encodeURIComponent(returnTo)}`;
  const isBack = (url) => url.pathname.endsWith('/callback');
  const fetchSession = (browser) => browser.ask(`${burgee.url}/auth/oidc/session`, { method: 'POST' });

  /** Signs in as who sits there; gives the session. */
  async function signIn(provider = 'test', browser = new Browser()) {
    const { url } = await browser.go(start(provider), (to) => to.pathname === '/flags');
    assert.equal(url.href, `${burgee.url}/flags`);
    const answer = await fetchSession(browser);
    const session = await answer.json();
    assert.equal(answer.status, 200, JSON.stringify(session));
    return session;
  }

  /** Goes the whole way, and must not be let in; gives the problem. */
  async function refused(provider, status, code) {
    const { url, answer } = await new Browser().go(start(provider));
    const problem = await answer.json();
    assert.deepEqual(
      [answer.status, problem.code],
      [status, code],
      `${url.pathname} ${JSON.stringify(problem)}`,
    );
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    return { answer, problem };
  }

  const lastChange = async (action) => {
    const { body } = await burgee.ask('GET', '/api/v1/instance/audit?limit=100', undefined, admin);
    return body.find((entry) => entry.action === action);
  };

  test('a sign-in page is told with what', async () => {
    const { status, body } = await burgee.ask('GET', '/auth/oidc', undefined, '');
    assert.equal(status, 200);
    assert.equal(body.password, true);
    assert.deepEqual(
      body.providers.find(({ key }) => key === 'test'),
      { key: 'test', name: 'Test', start: '/auth/oidc/test/start' },
    );
  });

  test('somebody new gets an account, a role and a team, and no address ever holds a token', async () => {
    const browser = new Browser();
    const session = await signIn('test', browser);
    assert.equal(session.email, 'ada@example.com');
    assert.equal(session.name, 'Ada');
    assert.equal(session.role, 'developer');
    const me = await burgee.ask('GET', '/auth/me', undefined, session.token);
    assert.deepEqual([me.status, me.body.id], [200, session.id]);
    const team = await burgee.ask('GET', '/api/v1/teams/payments-team', undefined, admin);
    assert.deepEqual(
      team.body.members.map(({ email }) => email),
      ['ada@example.com'],
    );
    for (const address of browser.history) {
      for (const secret of [session.token, session.refresh_token, CLIENT.secret, 'bgr_']) {
        assert.ok(!address.includes(secret), address);
      }
    }
    const again = await signIn('test', browser);
    assert.equal(again.id, session.id);
    const login = { email: 'ada@example.com', password: '' };
    assert.equal((await burgee.ask('POST', '/auth/login', login, '')).status, 401, 'there is no password');
    const renewed = await burgee.change('POST', '/auth/refresh', { refresh_token: again.refresh_token });
    assert.equal((await burgee.ask('POST', '/auth/logout', undefined, renewed.token)).status, 204);
    assert.equal((await burgee.ask('GET', '/auth/me', undefined, renewed.token)).status, 401);
  });

  test('what stays in the browser is for this server alone', async () => {
    const browser = new Browser();
    const begun = await browser.ask(start());
    assert.match(
      begun.headers.get('set-cookie'),
      /^burgee_oidc=[^;]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/,
    );
    assert.equal(begun.headers.get('cache-control'), 'no-store');
    const asked = new URL(begun.headers.get('location')).searchParams;
    assert.equal(asked.get('code_challenge_method'), 'S256');
    assert.equal(asked.get('code_challenge').length, 43);
    const { url } = await browser.go(start(), isBack);
    const back = await browser.ask(url);
    assert.equal(back.status, 303);
    const [session, flow] = back.headers.getSetCookie();
    assert.match(session, /^burgee_signed_in=[^;]+; Path=\/; Max-Age=60; HttpOnly; SameSite=Strict$/);
    assert.match(flow, /^burgee_oidc=; Path=\/; Max-Age=0/);
  });

  test('a script that accepts JSON is answered with the session', async () => {
    const browser = new Browser();
    const { url } = await browser.go(start(), isBack);
    const answer = await browser.ask(url, { headers: { accept: 'application/json' } });
    const session = await answer.json();
    assert.deepEqual([answer.status, session.email], [200, 'ada@example.com']);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
  });

  test('a session is fetched once, and a second time ends it', async () => {
    const browser = new Browser();
    await browser.go(start(), (to) => to.pathname === '/flags');
    const kept = browser.cookie(burgee.url, 'burgee_signed_in');
    const { token } = await (await fetchSession(browser)).json();
    assert.equal(browser.cookie(burgee.url, 'burgee_signed_in'), undefined);
    assert.equal((await (await fetchSession(browser)).json()).code, 'no_session_to_fetch');
    const thief = new Browser();
    thief.setCookie(burgee.url, 'burgee_signed_in', kept);
    const stolen = await fetchSession(thief);
    assert.deepEqual([stolen.status, (await stolen.json()).code], [401, 'refresh_token_reused']);
    assert.equal((await burgee.ask('GET', '/auth/me', undefined, token)).status, 401);
  });

  test('who was not begun with is not let in', async () => {
    const victim = new Browser();
    const { url: own } = await victim.go(start(), isBack);
    const attacker = new Browser();
    const { url: theirs } = await attacker.go(start(), isBack);
    const notBegun = async (browser, url) => {
      const answer = await browser.ask(url);
      assert.deepEqual([answer.status, (await answer.json()).code], [400, 'sign_in_not_begun'], url.href);
    };
    // Somebody else's answer, as behind a link that they send.
    await notBegun(victim, theirs);
    assert.equal(victim.cookie(burgee.url, 'burgee_oidc'), undefined, 'there is one try');
    await notBegun(new Browser(), own);
    for (const state of ['', 'x', theirs.searchParams.get('state')]) {
      const browser = new Browser();
      const { url } = await browser.go(start(), isBack);
      if (state) url.searchParams.set('state', state);
      else url.searchParams.delete('state');
      await notBegun(browser, url);
    }
    // The cookie of one provider does not do for another, nor one that was tampered with.
    const browser = new Browser();
    const { url } = await browser.go(start(), isBack);
    const sealed = browser.cookie(burgee.url, 'burgee_oidc');
    await notBegun(browser, new URL(url.href.replace('/test/', '/linking/')));
    browser.setCookie(burgee.url, 'burgee_oidc', `${sealed.slice(0, -4)}AAAA`);
    await notBegun(browser, url);
    // What is sealed for one thing is not for another.
    const other = new Browser();
    other.setCookie(burgee.url, 'burgee_signed_in', sealed);
    assert.equal((await fetchSession(other)).status, 401);
  });

  test('a code is worth nothing twice, nor to who has another verifier', async () => {
    const signedIn = new Browser();
    const { url } = await signedIn.go(start(), isBack);
    const kept = signedIn.cookie(burgee.url, 'burgee_oidc');
    assert.equal((await signedIn.ask(url)).status, 303);
    signedIn.setCookie(burgee.url, 'burgee_oidc', kept);
    const replayed = await signedIn.ask(url);
    assert.deepEqual([replayed.status, (await replayed.json()).code], [401, 'sign_in_refused']);
    // Somebody else's code under one's own state: only PKCE is in the way.
    const { url: stolen } = await new Browser().go(start(), isBack);
    const thief = new Browser();
    const { url: own } = await thief.go(start(), isBack);
    own.searchParams.set('code', stolen.searchParams.get('code'));
    const injected = await thief.ask(own);
    assert.deepEqual([injected.status, (await injected.json()).code], [401, 'sign_in_refused']);
  });

  test('an answer that is another issuer’s is refused', async () => {
    for (const issuer of ['https://evil.example', '', null]) {
      const browser = new Browser();
      const { url } = await browser.go(start(), isBack);
      assert.equal(url.searchParams.get('iss'), idp.issuer);
      if (issuer === null) url.searchParams.delete('iss');
      else url.searchParams.set('iss', issuer);
      assert.equal((await browser.ask(url)).status, 401, String(issuer));
    }
  });

  test('nobody is led elsewhere', async () => {
    for (const path of ['//evil.example', '/\\evil.example', 'https://evil.example', 'flags', '/a\nb']) {
      const answer = await new Browser().ask(start('test', path));
      assert.deepEqual(
        [answer.status, (await answer.json()).violations[0].path],
        [400, 'query return_to'],
        path,
      );
    }
    assert.equal((await new Browser().ask(start('nobody'))).status, 404);
  });

  test('who refuses at the provider is told so, in our words', async () => {
    idp.who = null;
    const { problem } = await refused('test', 403, 'provider_refused');
    assert.match(problem.detail, /access_denied/);
    assert.doesNotMatch(JSON.stringify(problem), /script/);
  });

  test('a group that is taken away takes role and team with it, and the log says why', async () => {
    const { id, role, token } = await signIn();
    assert.equal(role, 'developer');
    idp.people.ada.groups = ['everyone', 'admins', 'readers'];
    assert.equal((await signIn()).role, 'admin');
    idp.people.ada.groups = ['everyone'];
    assert.equal((await signIn()).role, 'member');
    const flags = await burgee.ask('GET', '/api/v1/flags', undefined, token);
    assert.notEqual(flags.status, 200, 'an older session has no more');
    const change = await lastChange('set_role');
    assert.deepEqual([change.source, change.address], ['oidc', '127.0.0.1']);
    assert.deepEqual([change.before.role, change.after.role], ['admin', 'member']);
    assert.equal(change.entities[0].id, id);
    assert.match(change.comment, /test/);
    const team = await burgee.ask('GET', '/api/v1/teams/payments-team', undefined, admin);
    assert.deepEqual(team.body.members, []);
    delete idp.people.ada.groups;
    assert.equal((await signIn()).role, 'member', 'no word of groups is no group');
  });

  test('nobody takes over an account by its e-mail', async () => {
    const owner = { email: 'boss@example.com', password: 'a password of hers', role: 'admin' };
    const made = await burgee.ask('POST', '/auth/users', owner, admin);
    assert.equal(made.status, 201);
    idp.people = {
      mallory: { ...ADA, email: 'BOSS@example.com', email_verified: false },
      eve: { ...ADA, email: 'boss@example.com', email_verified: true },
    };
    idp.who = 'mallory';
    await refused('test', 403, 'email_not_verified');
    await refused('linking', 403, 'email_not_verified');
    idp.people.mallory.email_verified = 'true';
    await refused('linking', 403, 'email_not_verified');
    delete idp.people.mallory.email_verified;
    await refused('linking', 403, 'email_not_verified');
    idp.who = 'eve';
    const { problem } = await refused('test', 409, 'email_taken');
    assert.match(problem.detail, /link_by_email/);
    const linked = await signIn('linking');
    assert.deepEqual([linked.id, linked.role], [made.body.id, 'admin'], 'where the operator allows it');
    assert.equal((await lastChange('link_identity')).entities[0].id, made.body.id);
    assert.equal((await signIn('linking')).id, made.body.id);
  });

  test('an address of another domain, or none, stays out', async () => {
    idp.who = 'new';
    idp.people.new = { ...ADA, email: 'new@example.com' };
    await refused('ours', 403, 'domain_not_allowed');
    idp.people.new.email = 'new@sub.example.org';
    await refused('ours', 403, 'domain_not_allowed');
    delete idp.people.new.email;
    await refused('ours', 403, 'email_missing');
    idp.people.new.email = 'new@example.org';
    assert.equal((await signIn('ours')).email, 'new@example.org');
  });

  test('who is not active stays out', async () => {
    idp.who = 'left';
    idp.people.left = { ...ADA, email: 'left@example.com' };
    const { id } = await signIn();
    assert.equal((await burgee.ask('PATCH', `/auth/users/${id}`, { active: false }, admin)).status, 200);
    await refused('test', 403, 'account_inactive');
    assert.equal((await burgee.ask('DELETE', `/auth/users/${id}`, undefined, admin)).status, 204);
    assert.notEqual((await signIn()).id, id, 'who is gone is somebody new');
  });

  test('the security log says who came, and who did not', async () => {
    const { id } = await signIn();
    idp.who = null;
    await refused('test', 403, 'provider_refused');
    const said = async (kind, actor, detail) => {
      const { body } = await burgee.ask(
        'GET',
        `/api/v1/security-log?kind=${kind}&limit=100`,
        undefined,
        admin,
      );
      return body.some((entry) => entry.detail === detail && (actor === null || entry.actor.id === actor));
    };
    await until('it is written', () => said('signed_in', id, 'oidc test'));
    await until('it is written', () => said('sign_in_failed', null, 'oidc test: access_denied'));
    await until('it is written', () => said('sign_in_failed', null, 'oidc test: not begun by this browser'));
  });

  test('wrong settings are the operator’s fault, not the person’s', async () => {
    const { answer } = await refused('wrong', 503, 'provider_unavailable');
    assert.equal(answer.headers.get('retry-after'), '5');
  });

  test('keys that the provider changes are followed, and so is its other algorithm', async () => {
    await signIn();
    idp.algorithm = 'ES256';
    idp.tellsAtOnce = true;
    idp.open();
    assert.equal((await signIn()).role, 'developer');
    // It changes them again within the minute: whoever could make it do so would have us ask all the time.
    idp.open();
    await refused('test', 401, 'sign_in_refused');
  });

  test('a provider that is down keeps nobody else out', async () => {
    const browser = new Browser();
    const { url } = await browser.go(start('linking'), isBack);
    await idp.close();
    const answer = await browser.ask(url);
    assert.deepEqual([answer.status, (await answer.json()).code], [503, 'provider_unavailable']);
    assert.equal(answer.headers.get('retry-after'), '5');
    const credentials = { email: 'admin@burgee.local', password: burgee.adminPassword };
    assert.equal((await burgee.ask('POST', '/auth/login', credentials, '')).status, 200);
    await idp.reopen();
    assert.equal((await signIn('linking')).email, 'ada@example.com');
  });
});
