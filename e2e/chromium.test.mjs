// Signing in with a provider of identities in a real browser, to which the provider is another site.

import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';

import { chromium } from 'playwright-core';
import { Burgee, PATIENCE } from './burgee.mjs';
import { findBrowser } from './chromium.mjs';
import { CLIENT, IdentityProvider } from './identity_provider.mjs';

/** A page of Burgee that may ask it: where a browser is led back to. */
const PAGE = '/docs/';

suite('signing in with a browser', { timeout: 3 * PATIENCE }, () => {
  let idp;
  let burgee;
  let browser;
  let context;
  let page;
  let addresses;

  before(async () => {
    idp = await IdentityProvider.listen('localhost');
    idp.asks = true;
    idp.people = { ada: { email: 'ada@example.com', email_verified: true, name: 'Ada', groups: [] } };
    const provider = { issuer: idp.issuer, client_id: CLIENT.id, client_secret: CLIENT.secret };
    burgee = await Burgee.start({ oidc: { providers: { test: provider } } });
    idp.open([`${burgee.url}/auth/oidc/test/callback`]);
    browser = await chromium.launch({ executablePath: await findBrowser() });
  });

  after(async () => {
    await browser?.close();
    await burgee?.stop();
    await idp?.close();
  });

  beforeEach(async () => {
    await context?.close();
    context = await browser.newContext();
    context.setDefaultTimeout(PATIENCE);
    page = await context.newPage();
    addresses = [];
    page.on('request', (request) => addresses.push(request.url()));
  });

  /** Goes to the provider, says there who one is, and comes back. */
  async function comeBack() {
    await page.goto(`${burgee.url}/auth/oidc/test/start?return_to=${encodeURIComponent(PAGE)}`);
    assert.equal(new URL(page.url()).origin, idp.issuer, 'the provider asks');
    await page.fill('input', 'ada');
    await page.click('button');
    await page.waitForURL(`${burgee.url}${PAGE}`);
  }

  /** Fetches the session as the page that one is on; an answer that it may not read is empty. */
  const fetchSession = (mode = 'cors') =>
    page.evaluate(
      async ([where, how]) => {
        const answer = await fetch(where, { method: 'POST', mode: how, credentials: 'include' });
        return { status: answer.status, body: how === 'cors' ? await answer.json() : null };
      },
      [`${burgee.url}/auth/oidc/session`, mode],
    );

  test('one comes back from the provider, and the page fetches its session once', async () => {
    await comeBack();
    const [cookie, ...others] = await context.cookies(burgee.url);
    assert.deepEqual(others, [], 'what belonged to the way is gone');
    assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite], ['burgee_signed_in', true, 'Strict']);
    assert.equal(await page.evaluate(() => globalThis.document.cookie), '', 'no script can read it');
    const { status, body } = await fetchSession();
    assert.deepEqual([status, body.email], [200, 'ada@example.com']);
    const me = await burgee.ask('GET', '/auth/me', undefined, body.token);
    assert.deepEqual([me.status, me.body.id], [200, body.id]);
    assert.deepEqual(await context.cookies(burgee.url), []);
    assert.equal((await fetchSession()).status, 401, 'there is one to fetch');
    assert.ok(addresses.length > 4, addresses.join(' '));
    for (const address of addresses) {
      for (const secret of [body.token, body.refresh_token, cookie.value]) {
        assert.ok(!address.includes(secret), address);
      }
    }
  });

  test('a page of another site cannot fetch the session, nor use it up', async () => {
    await comeBack();
    await page.goto(`${idp.issuer}/interaction/another`);
    await fetchSession('no-cors');
    await assert.rejects(fetchSession('cors'), /Failed to fetch/);
    await page.goto(`${burgee.url}${PAGE}`);
    const { status, body } = await fetchSession();
    assert.deepEqual([status, body.email], [200, 'ada@example.com']);
  });
});
