#!/bin/sh
# Builds the test programs of packages and runs each as soon as it is built, several at a time: run-tests.sh JOBS
# ARGUMENTS, where the arguments are those of `cargo test` that choose packages and features. Prints what failed, and the
# seconds that each program took. The unit tests come first, since the models among them take longest.
set -eu
jobs=$1
shift
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
trap 'exit 1' INT TERM

# The folder of each program's package, in which cargo would run it, and its path, each with a NUL. The build gives way
# to the programs that run already.
build() {
    nice cargo test --no-run --message-format=json-render-diagnostics "$@" || touch "$results/build_failed"
}
programs() {
    started=
    while IFS= read -r message; do
        case $message in
        *'"test":true},"features"'*'"executable":"'*) ;;
        *) continue ;;
        esac
        folder=${message#*'"manifest_path":"'}
        program=${message#*'"executable":"'}
        folder=${folder%%'/Cargo.toml"'*}
        program=${program%%'"'*}
        case $started in *"|$program|"*) continue ;; esac
        started="$started|$program|"
        printf '%s\0%s\0' "$folder" "$program"
    done
}

export RESULTS="$results"
# shellcheck disable=SC2016
{
    build --lib "$@"
    # A test of a program is built without waiting for the program. With examples, programs are built from the same
    # packages and features as tests.
    nice cargo build --bins --examples "$@" || touch "$results/build_failed"
    build "$@"
} | programs | xargs -0 -P "$jobs" -n 2 sh -c '
    [ $# -eq 2 ] || exit 0
    cd "$1"
    program=$(basename "$2")
    name=${program%-*}
    began=$(date +%s)
    if "$2" >"$RESULTS/$program.log" 2>&1; then outcome=ok; else outcome=FAILED; touch "$RESULTS/$program.failed"; fi
    touch "$RESULTS/some.ran"
    echo "$outcome $name, $(($(date +%s) - began)) s"
' sh

status=0
[ -e "$results/some.ran" ] && [ ! -e "$results/build_failed" ] || status=1
for failed in "$results"/*.failed; do
    [ -e "$failed" ] || continue
    status=1
    echo "$(basename "$failed" .failed):"
    cat "${failed%.failed}.log"
done
exit $status
