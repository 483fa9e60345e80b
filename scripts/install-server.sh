#!/bin/sh
# Installs a Redis or Valkey server where LocalServer would find none.
set -eu

has() {
    command -v "$1" >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        echo "Installing a server needs root: run '$*' as root, or set REDIS_SERVER." >&2
        exit 1
    fi
}

if [ -n "${REDIS_SERVER:-}" ]; then
    if has "$REDIS_SERVER"; then
        exit 0
    fi
    echo "REDIS_SERVER names $REDIS_SERVER, which is not a program." >&2
    exit 1
fi
if has valkey-server || has redis-server; then
    exit 0
fi

if has apt-get; then
    as_root apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server
elif has dnf; then
    as_root dnf install -y valkey || as_root dnf install -y redis
elif has apk; then
    as_root apk add valkey || as_root apk add redis
elif has brew; then
    brew install valkey || brew install redis
fi

if ! has valkey-server && ! has redis-server; then
    echo "No server found: install Valkey or Redis, or set REDIS_SERVER to its server program." >&2
    exit 1
fi
