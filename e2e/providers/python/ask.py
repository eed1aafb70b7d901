"""Asks Burgee through the OpenFeature SDK for Python: a question a line on its input, an answer a line on its output, both JSON."""

import json
import sys

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

clients: dict[tuple[str, str], OpenFeatureClient] = {}


def connect(url: str, key: str) -> OpenFeatureClient:
    """The client of an address and a key, the same each time."""
    if (url, key) not in clients:
        domain = f"{url} {key}"
        provider = OFREPProvider(url, headers_factory=lambda: {"X-API-Key": key})
        api.set_provider_and_wait(provider, domain)
        clients[url, key] = api.get_client(domain)
    return clients[url, key]


def ask(question: dict) -> dict:
    """What the SDK says of a flag."""
    client = connect(question["url"], question["key"])
    attributes = dict(question["context"])
    about = EvaluationContext(attributes.pop("targetingKey", None), attributes)
    method = getattr(client, f"get_{question['type']}_details")
    details = method(question["flag"], question["default"], about)
    return {
        "value": details.value,
        "variant": details.variant,
        "reason": details.reason,
        "errorCode": details.error_code,
        "errorMessage": details.error_message,
        "metadata": dict(details.flag_metadata),
    }


for line in sys.stdin:
    print(json.dumps(ask(json.loads(line))), flush=True)
