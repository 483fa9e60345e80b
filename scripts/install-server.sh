#!/bin/sh
# Installs a Redis or Valkey server where LocalServer would find none, and its command line client.
set -eu
. "$(dirname "$0")/common.sh"

has_server() {
    has valkey-server || has redis-server
}

# Looks where the tests look, also beside the server.
has_client() (
    case ${REDIS_SERVER:-} in */*) PATH=$(dirname "$REDIS_SERVER"):$PATH ;; esac
    has valkey-cli || has redis-cli
)

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

install_client() {
    if has apt-get; then
        apt_install redis-tools
    elif has dnf; then
        as_root dnf install -y valkey || as_root dnf install -y redis
    elif has apk; then
        as_root apk add valkey-cli || as_root apk add redis
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

if ! has_client; then
    install_client || true
    has_client || echo "Found no redis-cli: the tests make their clusters without it." >&2
fi
