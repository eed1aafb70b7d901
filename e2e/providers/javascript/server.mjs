// Asking Burgee through the OpenFeature SDK for servers in JavaScript.

import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';
import { methodFor, told } from './details.mjs';

/** Those that are connected, by address and key. */
const clients = new Map();

async function connect(url, key) {
  const domain = `${url} ${key}`;
  if (!clients.has(domain)) {
    const provider = new OFREPProvider({ baseUrl: url, headers: [['X-API-Key', key]] });
    await OpenFeature.setProviderAndWait(domain, provider);
    clients.set(domain, OpenFeature.getClient(domain));
  }
  return clients.get(domain);
}

/** What the SDK says of a flag. */
export async function ask({ url, key, flag, type, default: mine, context }) {
  const client = await connect(url, key);
  return told(await client[methodFor(type)](flag, mine, context));
}

/** Ends what is under way. */
export function close() {
  clients.clear();
  return OpenFeature.close();
}
