import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const client = OpenFeature.getClient();
const show = () => {
  document.title = client.getBooleanValue('new-checkout', false) ? 'New checkout' : 'Checkout';
};
client.addHandler(ProviderEvents.ConfigurationChanged, show);
const provider = new OFREPWebProvider({
  baseUrl: 'http://127.0.0.1:8080',
  headers: [['X-API-Key', 'CLIENT_KEY']],
  cacheMode: 'network-first',
});
await OpenFeature.setProviderAndWait(provider, { targetingKey: 'user-42', country: 'AT' });
show();
