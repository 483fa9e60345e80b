#!/bin/sh
# Runs the test programs of packages, several at a time: run-tests.sh JOBS ARGUMENTS, where the arguments are those of
# `cargo test` that choose the programs. Prints what failed, and the time that each program took.
set -eu
jobs=$1
shift
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
trap 'exit 1' INT TERM

cargo test --no-run "$@"
# A program runs in the folder of its package, as under cargo.
cargo test --no-run --message-format=json --quiet "$@" 2>/dev/null |
    sed -n '/"test":true},"features"/s/.*"manifest_path":"\([^"]*\)\/Cargo.toml".*"executable":"\([^"]*\)".*/\1 \2/p' >"$results/programs"
[ -s "$results/programs" ]

export RESULTS="$results"
# shellcheck disable=SC2016
xargs -P "$jobs" -L 1 sh -c '
    cd "$1"
    program=$(basename "$2")
    name=${program%-*}
    began=$(date +%s)
    if "$2" >"$RESULTS/$program.log" 2>&1; then outcome=ok; else outcome=FAILED; touch "$RESULTS/$program.failed"; fi
    echo "$outcome $name, $(($(date +%s) - began)) s"
' sh <"$results/programs"

for failed in "$results"/*.failed; do
    [ -e "$failed" ] || exit 0
    echo "$(basename "$failed" .failed):"
    cat "${failed%.failed}.log"
done
exit 1
