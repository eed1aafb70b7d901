import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const client = OpenFeature.getClient();
const show = () => {
  document.title = client.getBooleanValue('new-checkout', false) ? 'New checkout' : 'Checkout';
};
client.addHandler(ProviderEvents.ConfigurationChanged, show);
const headers = [['X-API-Key', 'CLIENT_KEY']];
await OpenFeature.setContext({ targetingKey: 'user-42', country: 'AT' });
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: 'http://127.0.0.1:8080', headers }));
show();
