#!/usr/bin/env bash
# The programs of other languages as their own tools want them: formatted, and without warnings.
set -euo pipefail
cd "$(dirname "$0")"

(
    cd go
    unformatted="$(gofmt -l .)"
    [ -z "$unformatted" ] || { echo "not as gofmt writes it: $unformatted"; exit 1; }
    go vet ./...
    go mod tidy -diff
)
PYTHONDONTWRITEBYTECODE=1 python3 -W error - python/*.py <<'PYTHON'
import sys

for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        compile(file.read(), name, "exec")
PYTHON
# The compiler's warnings are errors there.
(cd java && mvn --batch-mode --quiet process-classes)
