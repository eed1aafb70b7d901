"""What Schemathesis cannot know of us, and two checks of our own."""

import atexit
import json
import os
import random
import re
import threading
from urllib.parse import quote

import requests
import schemathesis
from schemathesis.core.failures import Failure

URL = os.environ["BURGEE_URL"]
KEYS = json.loads(os.environ["BURGEE_KEYS"])
ADMIN = {"email": os.environ["BURGEE_ADMIN_EMAIL"], "password": os.environ["BURGEE_ADMIN_PASSWORD"]}
# Digest of a key list, which nothing lists.
DIGEST = os.environ["BURGEE_KEY_LIST"]
# Where that is listed which a member, or a part of a query or of a path, names.
LISTS = {
    "account": "/auth/users",
    "context_field": "/api/v1/context-fields",
    "copy_from": "/api/v1/environments",
    "environment": "/api/v1/environments",
    "flag": "/api/v1/flags",
    "role": "/api/v1/roles",
    "segment": "/api/v1/segments",
    "team": "/api/v1/teams",
}
# Ids of what the run itself stands on: its account and its keys.
MUST_STAY = json.loads(os.environ["BURGEE_MUST_STAY"])
# The environment that is meant where none is named, and the project that is.
MUST_NOT_GO = ["development", "default"]
# Messages about what a schema can say.
SHAPE = re.compile(
    r"must be (an? \w+|true or false), not (an? )?\w+$|is required$|must be true or false$|"
    r"must be a whole number from|"
    r"must be [a-z_]+(, [a-z_]+)* or [a-z_]+$"
)
# As good as a fixed seed: the same cases in the same order meet the same chance.
CHANCE = random.Random(5)

met = {}
lock = threading.Lock()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Lets a case get further than chance would."""
    headers = case.headers
    if not is_negated(case, "header"):
        # The same key for another request is 422, whatever the request; so each has its own.
        if headers.get("Idempotency-Key"):
            headers["Idempotency-Key"] = f"{CHANCE.getrandbits(64):x}"
        # No entity has the tag that chance makes.
        if CHANCE.random() < 0.9:
            headers.pop("If-Match", None)
    if not is_negated(case, "path") and CHANCE.random() < 0.6:
        name_what_is_there(case)
    if not is_negated(case, "query"):
        # A cursor is out of a link; chance makes none.
        if CHANCE.random() < 0.9:
            case.query.pop("cursor", None)
        speak_of_what_is_there(case, case.query)
    if not is_negated(case, "body") and isinstance(case.body, dict):
        speak_of_what_is_there(case, case.body)
        complete(case)
    if headers.get("X-SDK-Key") == KEYS["server"]:
        headers["X-SDK-Key"] = KEYS[CHANCE.choice(["server", "server", "client", "edge"])]
    spare(case)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What two of its checks cannot know."""
    if failure.code == "ST201":
        # HTTP has headers that nobody knows passed over: a case that is wrong in nothing else is right.
        return not failure.message.endswith("Invalid component: in header - object with unexpected properties")
    if failure.code != "ST205":
        return True
    # One template does not know of another that takes its path too: a flag may be called `bulk`.
    paths = case.operation.schema.raw_schema["paths"]
    patterns = {path: re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) for path in paths}
    matching = [paths[path] for path in paths if re.fullmatch(patterns[path], case.operation.path)]
    told = {method.upper() for path in matching for method in path}
    if "GET" in told:
        told.add("HEAD")
    return {method.strip() for method in response.headers["allow"][0].split(",")} != told


def is_negated(case, location):
    """Whether a case is meant to be refused for what is in its path, query, header or body."""
    parts = case.meta.components if case.meta else {}
    return any(where.value == location and part.mode.is_negative for where, part in parts.items())


def name_what_is_there(case):
    """Puts keys and ids that exist into a path, one after the other: each names the list that the next is of."""
    way = ""
    for part in case.operation.path.split("/")[1:]:
        if part.startswith("{"):
            name = part[1:-1]
            found = [DIGEST] if name == "sha256" else house.listed(way) or house.listed(LISTS.get(name))
            if found:
                case.path_parameters[name] = CHANCE.choice(found)
            part = quote(str(case.path_parameters.get(name, part)), safe="")
        way += f"/{part}"


def speak_of_what_is_there(case, members):
    """The same for a query or a body."""
    for name in sorted(members.keys() & LISTS.keys()):
        # Accounts have roles out of a few that need no list.
        if name == "role" and "grants" not in case.operation.path:
            continue
        found = house.listed(LISTS[name])
        if found and CHANCE.random() < 0.8:
            members[name] = CHANCE.choice(found)


def complete(case):
    """Bodies that chance alone never gets right."""
    way = case.operation.path
    if way == "/auth/login" and CHANCE.random() < 0.5:
        case.body = dict(ADMIN)
    if way.endswith("/variants") and not is_negated(case, "path") and CHANCE.random() < 0.5:
        # The flag that has more than `true` and `false`.
        case.path_parameters["key"], case.body["value"] = "colour", "#0f0"
    if way.endswith("/copy") and CHANCE.random() < 0.5:
        case.body["from"], case.body["to"] = "development", CHANCE.choice(["preview", "staging"])
    if "keys" in case.body and CHANCE.random() < 0.5:
        # What is done to many names those that are listed above it.
        case.body["keys"] = house.listed(way.rsplit("/", 1)[0])


class House:
    """What there is, as an admin sees it at the time."""

    def __init__(self):
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {os.environ['BURGEE_TOKEN']}"

    def listed(self, path):
        """The keys or ids in a list; of an application's path, those in the list that people have."""
        answer = path and self.ask(path.replace("/ofrep/v1/evaluate/", "/api/v1/"))
        if not answer or not isinstance(answer.json(), list):
            return []
        return [item.get("key") or item.get("id") or str(item["revision"]) for item in answer.json()]

    def ask(self, path):
        return self.session.get(URL + path)


house = House()


def spare(case):
    """What the run stands on is left alone."""
    if case.method.upper() in ("GET", "HEAD", "OPTIONS"):
        return
    for name, value in case.path_parameters.items():
        if value in MUST_STAY or (value in MUST_NOT_GO and case.method.upper() == "DELETE"):
            case.path_parameters[name] = "left-alone"


@schemathesis.hook
def after_call(context, case, response):
    """Counts what was met, for the summary."""
    status = str(response.status_code)
    with lock:
        of_operation = met.setdefault(case.operation.label, {})
        of_operation[status] = of_operation.get(status, 0) + 1


@atexit.register
def tell_what_was_met():
    with open(os.environ["BURGEE_MET"], "w") as file:
        json.dump(met, file)


@schemathesis.check
def shapes_are_told(context, response, case):
    """What fits the schema may be refused for what it means, never for its shape."""
    if response.status_code != 400 or any(is_negated(case, where) for where in ("path", "query", "header", "body")):
        return
    for violation in document_of(response).get("violations", []):
        # What is deeper answers have as well: more members may come, and conditions are told in words.
        if re.search(r"[.[]", violation["path"]):
            continue
        if "is not known here" in violation["message"] or SHAPE.search(violation["message"]):
            title = "The schema does not tell what the program refuses"
            raise Failure(operation=case.operation.label, title=title, message=f"{violation}")


@schemathesis.check
def members_are_told(context, response, case):
    """A schema lets unknown members pass; ours are to name all that is answered."""
    definition = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    kind = response.headers.get("content-type", [""])[0].split(";")[0]
    schema = definition.get("content", {}).get(kind, {}).get("schema")
    if schema is None or not kind.endswith("json"):
        return
    components = case.operation.schema.raw_schema["components"]["schemas"]
    for path in untold(document_of(response), schema, components, ""):
        title = "The schema does not name a member of the answer"
        raise Failure(operation=case.operation.label, title=title, message=path)


def document_of(response):
    """The JSON of an answer; nothing if there is none, which other checks judge."""
    try:
        return response.json()
    except ValueError:
        return {}


def untold(value, schema, components, path):
    """The paths of members that no part of a schema names."""
    parts = parts_of(schema, components)
    if isinstance(value, list):
        items = [part["items"] for part in parts if "items" in part]
        for element in value if items else []:
            yield from untold(element, {"allOf": items}, components, f"{path}[]")
    if not isinstance(value, dict) or not any("properties" in part for part in parts):
        return
    for name, member in value.items():
        told = [part["properties"][name] for part in parts if name in part.get("properties", {})]
        if told:
            yield from untold(member, {"allOf": told}, components, f"{path}.{name}")
        elif not any("additionalProperties" in part for part in parts):
            yield f"{path}.{name}"


def parts_of(schema, components):
    """All schemas that a value may have been made by."""
    if "$ref" in schema:
        return parts_of(components[schema["$ref"].rsplit("/", 1)[-1]], components)
    parts = [schema]
    for word in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(word, []):
            parts += parts_of(part, components)
    return parts
