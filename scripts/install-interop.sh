#!/bin/sh
# Makes the Python environment of the interoperation tests, in target/interop unless told otherwise.
set -eu
. "$(dirname "$0")/common.sh"

requirements=$(dirname "$0")/../tests/interop/requirements.txt
directory=${1:-$(dirname "$0")/../target/interop}

# The list of requirements is copied there when all of them are installed.
is_complete() {
    cmp -s "$requirements" "$directory/requirements.txt" &&
        "$directory/bin/python" -c 'import redis_pydict, redis_pubsub_dict, redis_cache' 2>/dev/null
}

# Debian has ensurepip in a package of its own.
find_python() {
    for python in python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8; do
        if "$python" -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null
        then
            return
        fi
    done
    return 1
}

install_python() {
    if has apt-get; then
        apt_install python3 python3-venv
    elif has dnf; then
        as_root dnf install -y python3
    elif has apk; then
        as_root apk add python3
    elif has brew; then
        brew install python3
    fi
}

if is_complete; then
    exit 0
fi
if ! find_python; then
    install_python || true
    if ! find_python; then
        echo "No Python 3.8 or later with venv: install it to test with the Python libraries." >&2
        exit 1
    fi
fi

rm -rf "$directory"
"$python" -m venv "$directory"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$directory/requirements.txt"
if ! is_complete; then
    echo "The Python libraries are installed in $directory but cannot be imported." >&2
    exit 1
fi
"$directory/bin/python" --version
