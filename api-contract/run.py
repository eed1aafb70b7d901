"""Asks the program by its own document, as an admin and as applications, and judges each answer by it.

Starts the program on a free port with a data folder of its own, and stops it by its id. Its exit code is 0 only if
Schemathesis found nothing and the program lived through it without a panic.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
# How long a start or a stop may take, in seconds.
PATIENCE = 20
# Beyond its time Schemathesis ends the case that it is in, and writes its report: so many seconds more it may take.
MARGIN = 60
ADMIN = {"email": "admin@example.com", "password": "long enough for anybody"}


class Program:
    """The running server, and what a person can ask of it."""

    def __init__(self, executable, folder):
        # An environment of its own, so that nothing of the developer's leaks in.
        environment = {
            "PATH": os.environ["PATH"],
            "BURGEE__DATABASE__PATH": str(folder / "burgee.db"),
            "BURGEE__STORAGE__BASE_PATH": str(folder),
            "BURGEE__SERVER__PORT": "0",
            "BURGEE_ADMIN_EMAIL": ADMIN["email"],
            "BURGEE_ADMIN_PASSWORD": ADMIN["password"],
        }
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [executable, "start"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.url = self.token = None
        self.keys = {}
        for line in self.process.stdout:
            words = line.split()
            if "SDK key (server)" in line:
                self.keys["server"] = words[-1]
            if "SDK key (client)" in line:
                self.keys["client"] = words[-1]
            if line.startswith("Burgee is running at"):
                self.url = next(word for word in words if word.startswith("http"))
                return
        sys.exit(f"it stopped before it was running; it logged: {self.log.read_text()}")

    def ask(self, method, path, document=None):
        """Asks as the admin, and gives the JSON of the answer. A text is sent as it is."""
        is_text = isinstance(document, str)
        headers = {"Content-Type": "text/plain" if is_text else "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        body = None if document is None else (document if is_text else json.dumps(document)).encode()
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as refused:
            sys.exit(f"{method} {path}: {refused.code} {refused.read().decode()}")

    def faults(self):
        """What is wrong with it after all."""
        if self.process.poll() is not None:
            return [f"it ended with {self.process.returncode}"]
        found = [] if self.ask("GET", "/health") == {"status": "ok"} else ["it is not healthy"]
        log = self.log.read_text(errors="replace").splitlines()
        return found + [line for line in log if "panicked" in line or "ERROR" in line]

    def stop(self):
        """Asks it to stop (SIGTERM), and kills it if it does not."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def furnish(program):
    """Makes one of each thing, so that there is something to be found from the beginning.

    Gives the ids of what must stay, and the digest of a key list.
    """
    program.token = program.ask("POST", "/auth/login", ADMIN)["token"]
    # Only who signed in makes one.
    program.token = program.ask("POST", "/auth/tokens", {"name": "contract"})["token"]
    variants = [{"key": "blue", "value": "#00f"}, {"key": "red", "value": "#f00"}]
    for path, document in [
        ("flags", {"key": "colour", "kind": "string", "variants": variants, "default": {"variant": "blue"}}),
        ("flags", {"key": "new-checkout", "enabled": True, "rollout_percentage": 25, "client_visible": True}),
        ("segments", {"key": "beta", "included": ["u1", "u2"], "when": {"attribute": "plan", "operator": "in", "value": "gold"}}),
        ("context-fields", {"key": "plan", "values": ["gold", "silver"]}),
        ("environments", {"key": "preview"}),
        ("projects", {"key": "shop"}),
        ("teams", {"key": "payments"}),
        ("roles", {"key": "release-manager", "permissions": ["flag.update@production"]}),
        ("grants", {"account": ADMIN["email"], "role": "release-manager"}),
        ("sdk-keys", {"name": "spare", "kind": "client"}),
        ("service-accounts", {"name": "deploy-bot"}),
    ]:
        program.ask("POST", f"/api/v1/{path}", document)
    for name in ["ada", "bo", "cy", "di", "ed", "flo"]:
        program.ask("POST", "/auth/users", {"email": f"{name}@example.com"})
    edge = program.ask("POST", "/api/v1/sdk-keys", {"name": "edge", "kind": "edge", "environments": ["*"]})
    program.keys["edge"] = edge["key"]
    ours = [key["id"] for key in program.ask("GET", "/api/v1/sdk-keys") if key["name"] != "spare"]
    # A list that is too large for its segment's document.
    keys = "\n".join(f"user-{number}" for number in range(10_001))
    program.ask("POST", "/api/v1/segments", {"key": "many"})
    many = program.ask("PUT", "/api/v1/segments/many/included", keys)
    return [program.ask("GET", "/auth/me")["id"], *ours, "many"], many["included"]["sha256"]


def main():
    executable, seconds = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="burgee-api-contract-") as folder:
        folder = Path(folder)
        program = Program(executable, folder)
        try:
            must_stay, key_list = furnish(program)
            environment = {
                **os.environ,
                "BURGEE_TOKEN": program.token,
                "BURGEE_URL": program.url,
                "BURGEE_HOOKS": str(HERE / "hooks.py"),
                "BURGEE_ADMIN_EMAIL": ADMIN["email"],
                "BURGEE_ADMIN_PASSWORD": ADMIN["password"],
                "BURGEE_KEYS": json.dumps(program.keys),
                "BURGEE_SERVER_KEY": program.keys["server"],
                "BURGEE_MUST_STAY": json.dumps(must_stay),
                "BURGEE_KEY_LIST": key_list,
                "BURGEE_MET": str(folder / "met.json"),
            }
            schemathesis = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(HERE / "schemathesis.toml")]
            command = [*schemathesis, "run", f"{program.url}/openapi.json", "--max-time", str(seconds), "--no-color"]
            begun = time.monotonic()
            code = subprocess.run(command, cwd=folder, env=environment, timeout=seconds + MARGIN).returncode
            print(f"It took {time.monotonic() - begun:.0f} s.")
            met = json.loads((folder / "met.json").read_text())
            tell_what_was_met(met)
            faults = program.faults()
            unmet = operations(program.ask("GET", "/openapi.json")) - met.keys()
            faults += [f"{operation} was not asked; give it more time" for operation in sorted(unmet)]
        finally:
            program.stop()
    for fault in faults:
        print(f"The program: {fault}")
    return 1 if code or faults else 0


def operations(document):
    """What there is to ask, as Schemathesis names it."""
    return {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}


def tell_what_was_met(met):
    """Which statuses were seen, and what never succeeded: that is asked in vain."""
    statuses = {}
    for of_operation in met.values():
        for status, count in of_operation.items():
            statuses[status] = statuses.get(status, 0) + count
    print("Answers by status:", ", ".join(f"{status}: {statuses[status]}" for status in sorted(statuses)))
    vain = {operation: of for operation, of in met.items() if not any(status < "400" for status in of)}
    print(f"{len(met)} operations, of which {len(met) - len(vain)} succeeded.")
    for operation in sorted(vain):
        counts = ", ".join(f"{status}: {count}" for status, count in sorted(vain[operation].items()))
        print(f"  never: {operation} ({counts})")


if __name__ == "__main__":
    sys.exit(main())
