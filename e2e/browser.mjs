// As much of a browser as signing in needs: it keeps cookies, and is led on.

import assert from 'node:assert/strict';

import { PATIENCE } from './burgee.mjs';

/** Nobody is led on more often. */
const MOST_STEPS = 20;

/** A browser with nothing in it. */
export class Browser {
  /** By origin, then name: value and path. */
  #cookies = new Map();

  constructor() {
    /** Every address that it was at. */
    this.history = [];
  }

  /** Asks once. */
  async ask(address, { method = 'GET', headers = {} } = {}) {
    const url = new URL(address);
    const own = [...this.#of(url)].filter(([, cookie]) => url.pathname.startsWith(cookie.path));
    const cookie = own.map(([name, { value }]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, {
      method,
      headers: { accept: 'text/html,*/*;q=0.8', ...(cookie && { cookie }), ...headers },
      redirect: 'manual',
      signal: AbortSignal.timeout(PATIENCE),
    });
    for (const line of answer.headers.getSetCookie()) this.#keep(url, line);
    return answer;
  }

  /** Goes to an address, and wherever it is led, as long as `until` does not stop it. Gives the last answer. */
  async go(address, until = () => false, headers = {}) {
    let url = new URL(address);
    for (let step = 0; step < MOST_STEPS; step += 1) {
      this.history.push(url.href);
      if (until(url)) return { url, answer: null };
      const answer = await this.ask(url, { headers });
      const location = answer.headers.get('location');
      if (location === null || answer.status < 300 || answer.status > 399) return { url, answer };
      await answer.body?.cancel();
      url = new URL(location, url);
    }
    return assert.fail(`led on and on: ${this.history.join(' ')}`);
  }

  /** A cookie's value. */
  cookie(address, name) {
    return this.#of(new URL(address)).get(name)?.value;
  }

  /** Puts a cookie there, as whoever sits before it can. */
  setCookie(address, name, value) {
    this.#of(new URL(address)).set(name, { value, path: '/' });
  }

  #of(url) {
    if (!this.#cookies.has(url.origin)) this.#cookies.set(url.origin, new Map());
    return this.#cookies.get(url.origin);
  }

  #keep(url, line) {
    const [pair, ...attributes] = line.split(';').map((part) => part.trim());
    const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
    const attribute = (key) =>
      attributes.find((one) => one.toLowerCase().startsWith(`${key}=`))?.slice(key.length + 1);
    const isOver =
      attribute('max-age') === '0' || Date.parse(attribute('expires') ?? '2999-01-01') <= Date.now();
    if (isOver) this.#of(url).delete(name);
    else this.#of(url).set(name, { value, path: attribute('path') ?? '/' });
  }
}
