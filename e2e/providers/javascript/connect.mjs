import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

const headers = [['X-API-Key', process.env.SDK_KEY]];
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: process.env.BURGEE_URL, headers }));
const client = OpenFeature.getClient();
const user = { targetingKey: 'user-42', country: 'AT' };
console.log(await client.getBooleanValue('new-checkout', false, user));
