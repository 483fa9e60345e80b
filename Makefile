FEATURES := bincode r2d2-pool pickle json msgpack pydict async keyword tls local-server testing metrics near-cache uuid jiff zstd encryption serde near-cache,metrics async,tls async,near-cache async,keyword

# One selection of packages and features, so that no crate is built twice. The benchmarks beside other libraries are a
# workspace of their own.
ALL := --workspace --all-features
# From scratch, an incremental build takes a third longer.
export CARGO_INCREMENTAL ?= 0

TARGET := $(or $(CARGO_TARGET_DIR),target)
VALKEY := target/valkey
INTEROP := target/interop
REDIS2 := target/redis2
REDIS2_VERSION := 2.0.0-rc.2
BENCHES := --manifest-path crates/benches/Cargo.toml --target-dir "$(TARGET)"
PEERS := redis-collections-peers
# Most tests wait for servers.
AT_A_TIME := 4

BENCH := overhead bulk concurrency near_cache queue keyword memory

SECONDS := 600
SEED :=

TEST := --test round_trips
RUNS := 50
BUSY := 8

.PHONY: help demo test test-valkey test-redis2 interop under-load soak short-soak fuzz short-fuzz bench race stampede server fmt lint lint-benches features unit doc examples package deny

help:
	@echo "make demo | test (server fmt lint features unit short-soak short-fuzz doc examples) | test-valkey | test-redis2 | interop"
	@echo "make soak [SECONDS=600] [SEED=7] | fuzz [SECONDS=600] [SEED=7] | under-load [TEST='--test list'] | bench [BENCH=queue] | race | stampede | package | deny"

demo: server
	cargo run --release --quiet --example work_queue
	cargo run --release --quiet --example work_queue -- --kill

# Only targets that do not share a build directory run in parallel.
test:
	$(MAKE) server
	$(MAKE) fmt
	$(MAKE) lint
	$(MAKE) -j2 features unit
	$(MAKE) -j4 short-soak short-fuzz doc examples
	@echo "All checks passed."

# The tests once more, with Valkey in the place of the server that is installed.
test-valkey:
	@scripts/install-valkey.sh $(VALKEY)
	REDIS_SERVER="$(CURDIR)/$(VALKEY)/valkey-server" $(MAKE) unit short-soak

# The tests once more, with the coming major version of the redis crate.
test-redis2: server
	@scripts/test-redis2.sh $(REDIS2) $(REDIS2_VERSION) $(AT_A_TIME) $(ALL)

# Data and events to and from the Python libraries themselves; plain cargo test leaves them out. Cauldron is
# one of them if CAULDRON_PATH names a checkout of it.
interop: server
	@scripts/install-interop.sh $(INTEROP)
	cargo test $(ALL) --test interop

# Whether tests fail where the processor is busy. TEST chooses them as for `cargo test`: TEST=a_part_of_a_name, or
# TEST="--test change_events" for those of a file.
under-load: server
	@scripts/under-load.sh $(RUNS) $(BUSY) $(ALL) $(TEST)

# A work queue under faults: nothing is lost. Its producers and workers are processes of their own.
soak: server
	cargo test $(ALL) --test soak -- $(SECONDS) $(SEED)

# The same in short, and with workers that pop, which must lose jobs.
short-soak: server
	cargo test $(ALL) --test soak -- 15
	cargo test $(ALL) --test soak -- 3 --plain

# Everything that decodes bytes of others, on bytes that a seed makes. SEED repeats what was found.
fuzz:
	FUZZ_SECONDS=$(SECONDS) $(if $(SEED),FUZZ_SEED=$(SEED)) cargo test $(ALL) --lib -- fuzz:: --nocapture

short-fuzz:
	FUZZ_SECONDS=30 cargo test $(ALL) --lib -- fuzz::

# Measures, and writes docs/benchmarks/speed.md. BENCH chooses what is measured anew.
bench: server
	@echo "Building the benchmarks beside other libraries ..."
	@cargo bench --quiet $(BENCHES) $(addprefix --bench ,$(BENCH) report) --no-run
	@set -e; for bench in $(BENCH) report; do \
		cargo bench --quiet $(BENCHES) --bench $$bench -- --quiet; \
	done

# How many keys client-side caches leave stale.
race: server
	cargo run --release --quiet --package $(PEERS) --bin race

# How often caches load a missing key that 128 threads of 8 processes ask for.
stampede: server
	@scripts/install-interop.sh $(INTEROP)
	cargo run --release --quiet --package $(PEERS) --bin stampede

server:
	@scripts/install-server.sh

fmt:
	cargo fmt --all --check
	cargo fmt --check --manifest-path crates/benches/Cargo.toml

lint:
	cargo clippy $(ALL) --all-targets -- -D warnings
	cargo clippy $(ALL) --test interop --test soak -- -D warnings

# Apart from the rest, since the libraries that are compared bring many dependencies.
lint-benches:
	cargo clippy $(BENCHES) --all-features --all-targets -- -D warnings

# In a build directory of its own, so that tests are built at the same time.
features:
	@set -e; for features in "" $(FEATURES); do \
		echo "cargo clippy --no-default-features --features '$$features' --lib -- -D warnings"; \
		cargo clippy --quiet --target-dir "$(TARGET)/features" \
			--no-default-features --features "$$features" --lib -- -D warnings; \
	done
	@echo "Without the feature async there is no tokio:"
	! cargo tree --edges normal --no-default-features --features tls,near-cache,keyword | grep -w tokio
	@echo "Without the feature tls a URL that needs it is an error that names it:"
	cargo build --quiet --target-dir "$(TARGET)/features" --package redis-collections-rcq
	@set -e; for servers in "" --cluster "--sentinel mymaster"; do \
		"$(TARGET)/features/debug/rcq" --url rediss://localhost $$servers list 2>&1 | grep 'feature `tls`'; \
	done

unit: server
	@scripts/run-tests.sh $(AT_A_TIME) $(ALL)
	cargo test $(ALL) --doc

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps $(ALL)

# Not by cargo run, which cannot choose what cargo test has built.
EXAMPLES := "$(TARGET)/debug/examples"
examples: server
	cargo build $(ALL) --examples
	$(EXAMPLES)/work_queue src
	$(EXAMPLES)/work_queue src --workers 3 --kill
	$(EXAMPLES)/many_dicts
	$(EXAMPLES)/shared_state
	$(EXAMPLES)/feature_flags 2 1
	$(EXAMPLES)/read_through 2 1
	$(EXAMPLES)/telescope

# Whether everything that is published can be, and builds from its package.
package:
	cargo publish --dry-run --locked --workspace

deny:
	@if ! cargo deny --version >/dev/null 2>&1; then \
		echo "cargo-deny is not installed (cargo install cargo-deny --locked): nothing checked."; \
	else \
		set -e; \
		cargo deny check bans licenses sources; \
		if cargo deny fetch db; then cargo deny check --disable-fetch advisories; \
		else echo "The advisory database cannot be fetched: advisories not checked."; fi; \
	fi
