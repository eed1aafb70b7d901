import os

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

headers = {"X-API-Key": os.environ["SDK_KEY"]}
api.set_provider_and_wait(OFREPProvider(os.environ["BURGEE_URL"], headers_factory=lambda: headers))
client = api.get_client()
user = EvaluationContext("user-42", {"country": "AT"})
print(client.get_boolean_value("new-checkout", False, user))
