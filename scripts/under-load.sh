#!/bin/sh
# Runs tests again and again beside processes that keep the processor busy, and says how often they failed:
# under-load.sh RUNS BUSY ARGUMENTS, where the arguments are those of `cargo test` that choose packages,
# features and tests.
set -eu
runs=$1 busy=$2
shift 2
cargo test --no-run "$@"

log=$(mktemp)
processes=
# shellcheck disable=SC2086
trap 'kill $processes; rm -f "$log"' EXIT
trap 'exit 1' INT TERM
for _ in $(seq "$busy"); do
    sh -c 'while :; do :; done' &
    processes="$processes $!"
done

failed=0
for run in $(seq "$runs"); do
    if cargo test --quiet --no-fail-fast "$@" >"$log" 2>&1 &&
        grep -q 'ok\. [1-9][0-9]* passed' "$log"; then
        continue
    fi
    failed=$((failed + 1))
    cat "$log"
    echo "Run $run of $runs failed, or there is no such test." >&2
done
echo "$failed of $runs runs beside $busy busy processes failed."
[ "$failed" -eq 0 ]
