#!/bin/sh
# Installs a Redis or Valkey server where LocalServer would find none.
set -eu
. "$(dirname "$0")/common.sh"

has_server() {
    has valkey-server || has redis-server
}

install_server() {
    if has apt-get; then
        apt_install redis-server
    elif has dnf; then
        as_root dnf install -y valkey || as_root dnf install -y redis
    elif has apk; then
        as_root apk add valkey || as_root apk add redis
    elif has brew; then
        brew install valkey || brew install redis
    fi
}

if [ -n "${REDIS_SERVER:-}" ]; then
    if ! has "$REDIS_SERVER"; then
        echo "REDIS_SERVER names $REDIS_SERVER, which is not a program." >&2
        exit 1
    fi
elif ! has_server; then
    install_server || true
    if ! has_server; then
        echo "No server found: install Valkey or Redis, or set REDIS_SERVER to its server program." >&2
        exit 1
    fi
fi
