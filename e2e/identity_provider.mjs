// A real provider of identities (npm's oidc-provider) on a free port of this machine, whose people need no password.

import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { URLSearchParams } from 'node:url';

import { Provider } from 'oidc-provider';

/** What Burgee is to it. */
export const CLIENT = { id: 'burgee', secret: 'a secret with / and : and + and % in it' };

/** New keys, with names that no other keys have. */
function makeKeys() {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const jwk = (key, alg) => ({ ...key.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() });
  return { keys: [jwk(rsa, 'RS256'), jwk(ec, 'ES256')] };
}

/** The provider, and who sits before the browser. */
export class IdentityProvider {
  #server = createServer();
  #redirectUris = [];
  #provider;
  #port = 0;

  constructor(host) {
    /** By which name it is known. */
    this.host = host;
    /** What it says of its people, by their subjects. */
    this.people = {};
    /** Who signs in next; nobody does, and refuses. */
    this.who = null;
    /** The algorithm of its ID tokens. */
    this.algorithm = 'RS256';
    /** Whether it asks on a page who sits there, in place of knowing it. */
    this.asks = false;
    /** Whether all is told in the ID token, and not only when asked for. */
    this.tellsAtOnce = false;
  }

  /** Takes a port. It serves nothing before {@link open}. To a browser `localhost` is another site than an address. */
  static async listen(host = '127.0.0.1') {
    const idp = new IdentityProvider(host);
    idp.#server.on('request', (request, response) => idp.#answer(request, response));
    await idp.#listen();
    return idp;
  }

  async #listen() {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = this.#server.address().port;
    this.issuer = `http://${this.host}:${this.#port}`;
  }

  /** Serves a client that people are led back to here; with new keys each time. */
  open(redirectUris = this.#redirectUris) {
    this.#redirectUris = redirectUris;
    this.#provider = new Provider(this.issuer, {
      clients: [
        {
          client_id: CLIENT.id,
          client_secret: CLIENT.secret,
          redirect_uris: redirectUris,
          id_token_signed_response_alg: this.algorithm,
        },
      ],
      jwks: makeKeys(),
      claims: { email: ['email', 'email_verified'], groups: ['groups'], profile: ['name'] },
      conformIdTokenClaims: !this.tellsAtOnce,
      cookies: { keys: ['for tests only'] },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...this.people[id] }) }),
      loadExistingGrant: (context) => this.#grant(context.oidc),
      pkce: { required: () => true },
      ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 60, IdToken: 60, Interaction: 60, Session: 60 },
    });
  }

  /** Nobody is asked what Burgee may know. */
  async #grant({ client, session, provider }) {
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid email profile groups');
    await grant.save();
    return grant;
  }

  async #answer(request, response) {
    if (!request.url.startsWith('/interaction/')) {
      this.#provider.callback()(request, response);
      return;
    }
    if (this.asks && request.method === 'GET') {
      const page = '<!doctype html><form method="post"><input name="who"><button>Sign in</button></form>';
      response.setHeader('content-type', 'text/html').end(page);
      return;
    }
    if (this.asks) this.who = new URLSearchParams(await text(request)).get('who');
    const denied = { error: 'access_denied', error_description: '<script>alert("not told")</script>' };
    const result = this.who ? { login: { accountId: this.who } } : denied;
    await this.#provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }

  /** Stops to answer. */
  async close() {
    this.#server.closeAllConnections();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  /** Answers again, on the same port. */
  async reopen() {
    await this.#listen();
    assert.ok(this.#provider);
  }
}
