#!/usr/bin/env bash
# Every fuzz target for some seconds each: `fuzz/short.sh [SECONDS]`, 20 unless said. Fails on the first finding.
# What chance found to be new is kept in fuzz/corpus (not committed), so that a later run begins there.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-20}"

if ! rustup run nightly rustc --version; then
    echo "Fuzzing needs a nightly compiler, which is not installed: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
if ! cargo fuzz --version; then
    echo "Fuzzing needs cargo-fuzz, which is not installed: cargo install cargo-fuzz --version 0.13.2 --locked" >&2
    exit 1
fi
if ! command -v c++ >/dev/null; then
    echo "libFuzzer is built with a C++ compiler, which is not installed: get Debian's package g++" >&2
    exit 1
fi

cargo +nightly fuzz build
for target in $(cargo +nightly fuzz list); do
    echo "== $target for $seconds s"
    mkdir -p "fuzz/corpus/$target"
    # 5 s for one input of at most 16 KiB is far beyond what anything linear takes.
    cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=16384 -timeout=5 -rss_limit_mb=1024 \
        -dict=fuzz/dictionary -verbosity=0 -print_final_stats=1 2>&1 |
        sed '/^###### Recommended dictionary/,/^###### End of recommended/d'
done
