# Two commands: `make run` and `make test`.

TARGET := $(or $(CARGO_TARGET_DIR),target)
BURGEE := $(abspath $(TARGET))/debug/burgee

# Packages that are built in their own way, outside the workspace.
APART := bench/engine bench/peers fuzz

.PHONY: run test check docs bench peers memory instructions fuzz api-contract need-cargo need-node need-providers

run: need-cargo ## Build Burgee and start it on http://127.0.0.1:8080
	cargo run --release --bin burgee -- start

test: need-cargo need-node need-providers ## Every test; needs Debian's packages postgresql and chromium
	cargo test --workspace
	cargo build --workspace
	cd e2e && npm ci --no-audit --no-fund --loglevel=error && BURGEE=$(BURGEE) npm test

check: need-cargo need-node need-providers ## Formatting and lints, without warnings
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	for package in $(APART); do (cd $$package && cargo fmt --check && cargo clippy --all-targets -- -D warnings) || exit 1; done
	cd e2e && npm ci --no-audit --no-fund --loglevel=error && npm run check
	e2e/providers/check.sh

docs: need-cargo ## Write the generated documents anew
	UPDATE=1 cargo test --workspace --test documents --test openapi --test fold_table

bench: need-cargo ## The figures of bench/README.md
	cargo build --release --bins
	cargo run --release --bin burgee-bench

peers: need-cargo ## The engine beside Unleash's Yggdrasil; RUNS=3 for fewer runs than ten
	cargo run --release --manifest-path bench/peers/Cargo.toml -- $(RUNS)

memory: need-cargo ## The engine's memory, and that a question allocates nothing
	cd bench/engine && cargo run --release --bin memory

instructions: need-cargo ## Instructions of the engine's hot paths, compared; UPDATE=1 writes them anew
	cd bench/engine && cargo run --release --bin instructions -- $(if $(UPDATE),--update)

fuzz: need-cargo ## Every fuzz target for 20 s
	fuzz/short.sh

api-contract: need-cargo need-python ## The program against its own document, for three minutes
	cargo build --workspace
	api-contract/run.sh $(BURGEE) $(SECONDS)

need-cargo:
	@command -v cargo >/dev/null || { echo "Burgee is built with cargo, which is not installed: get Rust 1.95 or newer from https://rustup.rs"; exit 1; }

need-python:
	@python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "Schemathesis and the OpenFeature provider for Python run in a Python of their own: get Python 3.11 or newer with its module venv (Debian's package python3-venv)"; exit 1; }

need-node:
	@command -v node >/dev/null || { echo "The tests use the official OpenFeature SDK for Node, which is not installed: get Node 20 or newer from https://nodejs.org"; exit 1; }

need-providers: need-python
	@command -v go >/dev/null || { echo "The tests ask by the OpenFeature provider for Go: get Go 1.26 or newer from https://go.dev/dl"; exit 1; }
	@command -v javac >/dev/null && command -v mvn >/dev/null || { echo "The tests ask by the OpenFeature provider for Java: get a JDK of 17 or newer, and Maven (Debian's packages openjdk-17-jdk-headless and maven)"; exit 1; }
