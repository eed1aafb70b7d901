// Pages in a real browser that ask Burgee, from an origin of their own.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { PATIENCE } from '../burgee.mjs';
import { findBrowser } from '../chromium.mjs';

/** What pages may load. */
const FOLDERS = ['/node_modules/', '/providers/javascript/'];
const e2e = new URL('../', import.meta.url);

/** The address on a page's own server of what a module is imported as. */
function addressOf(name) {
  const file = fileURLToPath(import.meta.resolve(name));
  return `/${file.slice(fileURLToPath(e2e).length)}`;
}

/** The packages' modules are loaded as they were published; a bundler would do no more than join them. */
function importMap() {
  const core = '/node_modules/@openfeature/ofrep-web-provider/';
  const imports = {
    '@openfeature/core': addressOf('@openfeature/core'),
    '@openfeature/web-sdk': addressOf('@openfeature/web-sdk'),
    '@openfeature/ofrep-web-provider': `${core}index.esm.js`,
    '@openfeature/ofrep-core': `${core}node_modules/@openfeature/ofrep-core/index.esm.js`,
  };
  return JSON.stringify({ imports });
}

/** A server of pages. The same server is two origins: `localhost` is another site than `127.0.0.1`. */
class Pages {
  #server = createServer((request, response) => this.#answer(request, response));
  /** By path: modules of tests, as text. */
  modules = new Map();

  async listen() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
  }

  async #answer({ url }, response) {
    const send = (type, body) => response.writeHead(200, { 'Content-Type': type }).end(body);
    if (this.modules.has(url)) return send('text/javascript', this.modules.get(url));
    if (FOLDERS.some((folder) => url.startsWith(folder))) {
      return send('text/javascript', await readFile(new URL(`.${url}`, e2e)));
    }
    const module = this.modules.has(`${url}.mjs`) ? `${url}.mjs` : '/providers/javascript/web.mjs';
    return send(
      'text/html',
      `<!doctype html><title>A shop</title><script type="importmap">${importMap()}</script>
      <script type="module">globalThis.application = await import(${JSON.stringify(module)});</script>`,
    );
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A browser, and a server of pages to open in it. */
export class BrowserApplication {
  #browser;
  #pages = new Pages();
  #page;

  static async open() {
    const application = new BrowserApplication();
    await application.#pages.listen();
    application.#browser = await chromium.launch({ executablePath: await findBrowser() });
    application.#page = await application.openPage(application.origin);
    return application;
  }

  /** Of the page that asks. */
  get origin() {
    return `http://localhost:${this.#pages.port}`;
  }

  /** Of a page of another site. */
  get otherOrigin() {
    return `http://127.0.0.1:${this.#pages.port}`;
  }

  /** A new page, with nothing kept from others, once its module has run. */
  async openPage(origin, path = '/') {
    const context = await this.#browser.newContext();
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    const failures = [];
    page.on('pageerror', (error) => failures.push(error));
    await page.goto(origin + path);
    await page.waitForFunction('globalThis.application').catch((error) => {
      assert.fail(`the page did not start: ${[error, ...failures].join('; ')}`);
    });
    return page;
  }

  /** A new page that runs this module. */
  openModule(text) {
    this.#pages.modules.set('/connect.mjs', text);
    return this.openPage(this.origin, '/connect');
  }

  /** Calls a function of `web.mjs` in a page. */
  call(name, question, page = this.#page) {
    const evaluated = page.evaluate(
      ([called, argument]) => globalThis.application[called](argument),
      [name, question],
    );
    return evaluated;
  }

  ask = (question) => this.call('ask', question);
  refresh = (question) => this.call('refresh', question);
  changes = (question) => this.call('changes', question);

  async close() {
    await this.#browser.close();
    this.#pages.close();
  }
}
