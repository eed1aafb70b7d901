// Asking Burgee through the OpenFeature SDK for browsers. Runs in Node and, unchanged, in a page.

import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { methodFor, told } from './details.mjs';

/** Those that are connected, by address, key and options: what they were last told of themselves, and what changed. */
const clients = new Map();

async function connect({ url, key, context, options }) {
  const domain = JSON.stringify([url, key, options]);
  if (!clients.has(domain)) {
    const client = OpenFeature.getClient(domain);
    const connected = { client, domain, context: JSON.stringify(context), changes: [] };
    clients.set(domain, connected);
    client.addHandler(ProviderEvents.ConfigurationChanged, ({ flagsChanged }) => {
      connected.changes.push(flagsChanged);
    });
    const provider = new OFREPWebProvider({ baseUrl: url, headers: [['X-API-Key', key]], ...options });
    // Who is refused has a client all the same, which says so.
    await OpenFeature.setProviderAndWait(domain, provider, context).catch(() => {});
  }
  return clients.get(domain);
}

/** What the SDK says of a flag. Burgee is asked only if the context is another than before. */
export async function ask(question) {
  const connected = await connect(question);
  const { flag, type, default: mine, context } = question;
  if (connected.context !== JSON.stringify(context)) await refresh(question);
  return told(connected.client[methodFor(type)](flag, mine));
}

/** Asks again for a context, as an application does whose user did something. */
export async function refresh(question) {
  const connected = await connect(question);
  connected.context = JSON.stringify(question.context);
  await OpenFeature.setContext(connected.domain, question.context);
}

/** The flags that changed since the application began, as often as it was told. */
export async function changes(question) {
  return (await connect(question)).changes;
}

/** Ends what is under way. */
export async function close() {
  clients.clear();
  await OpenFeature.close();
}
