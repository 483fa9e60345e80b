#!/bin/sh
# Runs the tests with a newer major version of the redis crate, in a copy of the project's files: test-redis2.sh COPY
# VERSION, then the arguments of run-tests.sh. Only what cannot be written for both versions is changed in the copy.
set -eu
copy=$1 version=$2
shift 2
rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z | xargs -0 cp --parents --target-directory "$copy"
cd "$copy"

# Replaces in a file, and fails if there is nothing to replace.
replace() {
    grep -q "$2" "$1" || { echo "$1 has no $2" >&2; exit 1; }
    sed -i "s|$2|$3|" "$1"
}

for manifest in Cargo.toml crates/tokio-features/Cargo.toml crates/test-support/Cargo.toml; do
    replace "$manifest" '^redis = { version = "1[^"]*"' "redis = { version = \"$version\""
done
# The certificates of the system are a feature of their own, and the types of certificates have constructors.
replace Cargo.toml '"redis/tls-rustls"' '"redis/tls-rustls-native-roots"'
replace src/connection/tls.rs 'ClientTlsConfig { client_cert, client_key }' 'ClientTlsConfig::new(client_cert, client_key)'
replace src/connection/tls.rs 'TlsCertificates { client_tls, root_cert: self.roots.clone() }' 'TlsCertificates::new()'
replace src/connection/tls.rs 'let certificates = TlsCertificates::new();' \
    'let mut certificates = TlsCertificates::new(); certificates.client_tls = client_tls; certificates.root_cert = self.roots.clone();'

# The peers compare with the driver that is released: the next one's cache no longer goes stale.
rm -r crates/peers

scripts/run-tests.sh "$@"
