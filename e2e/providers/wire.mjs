// What goes over the wire: a proxy before the program that writes down what applications ask and are answered.

import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';

/** A proxy on a port of its own. */
export class Wire {
  #server;
  #agent = new Agent({ keepAlive: true });

  constructor(server) {
    this.#server = server;
    /** Where it sends what it is sent. */
    this.target = null;
    /** Where applications find it. */
    this.url = `http://127.0.0.1:${server.address().port}`;
    /** What was asked and answered, in the order of the answers' heads: method, path, status and entity tags. */
    this.calls = [];
  }

  /** @param {string} target where the program listens */
  static async open(target) {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const wire = new Wire(server);
    wire.target = target;
    server.on('request', (asked, answer) => wire.#pass(asked, answer));
    return wire;
  }

  /** The evaluations among what was asked. */
  get evaluations() {
    return this.calls.filter(({ method, path }) => method === 'POST' && path.startsWith('/ofrep/'));
  }

  /** The streams that were opened. */
  get streams() {
    return this.calls.filter(({ path, status }) => path.startsWith('/sdk/v1/stream') && status === 200);
  }

  #pass(asked, answer) {
    // Headers go as they came, so that the program meets what each client really sends.
    const { method, url, rawHeaders } = asked;
    const { hostname, port } = new URL(this.target);
    const to = { method, path: url, hostname, port, headers: rawHeaders, agent: this.#agent };
    const passed = request({ ...to, setDefaultHeaders: false });
    passed.on('response', (answered) => {
      this.calls.push({
        method,
        path: url,
        status: answered.statusCode,
        asked: asked.headers['if-none-match'] ?? null,
        origin: asked.headers.origin ?? null,
        etag: answered.headers.etag ?? null,
      });
      answer.writeHead(answered.statusCode, answered.rawHeaders);
      answered.pipe(answer);
      answered.on('error', () => answer.destroy());
    });
    passed.on('error', () => answer.destroy());
    answer.on('close', () => passed.destroy());
    asked.pipe(passed);
  }

  async close() {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
    await once(this.#server, 'close');
  }
}
