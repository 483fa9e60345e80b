FEATURES := bincode pickle json msgpack pydict async keyword tls local-server metrics near-cache near-cache,metrics async,tls async,near-cache async,keyword

VALKEY := target/valkey
INTEROP := target/interop
PEERS := redis-collections-peers
PROGRAMS := --package redis-collections-cli --package rcq --package rckey

SECONDS := 600
SEED :=

TEST := --test round_trips
RUNS := 50
BUSY := 8

.PHONY: help demo test test-valkey interop under-load soak short-soak fuzz short-fuzz bench race stampede server fmt lint features unit peers doc examples deny

help:
	@echo "make demo | test (server fmt lint features unit short-soak short-fuzz peers doc examples) | test-valkey | interop"
	@echo "make soak [SECONDS=60] [SEED=7] | fuzz [SECONDS=60] [SEED=7] | under-load [TEST='--test list'] | bench | race | stampede | deny"

demo: server
	cargo run --release --quiet --example work_queue
	cargo run --release --quiet --example work_queue -- --kill

# One after the other, also under make -j: they share one build directory.
test:
	$(MAKE) server
	$(MAKE) fmt
	$(MAKE) lint
	$(MAKE) features
	$(MAKE) unit
	$(MAKE) short-soak
	$(MAKE) short-fuzz
	$(MAKE) peers
	$(MAKE) doc
	$(MAKE) examples
	@echo "All checks passed."

# The tests once more, with Valkey in the place of the server that is installed.
test-valkey:
	@scripts/install-valkey.sh $(VALKEY)
	REDIS_SERVER="$(CURDIR)/$(VALKEY)/valkey-server" scripts/run-tests.sh 2 --all-features
	REDIS_SERVER="$(CURDIR)/$(VALKEY)/valkey-server" scripts/run-tests.sh 2 $(PROGRAMS)
	REDIS_SERVER="$(CURDIR)/$(VALKEY)/valkey-server" cargo test --all-features --doc
	REDIS_SERVER="$(CURDIR)/$(VALKEY)/valkey-server" $(MAKE) short-soak

# Data and events to and from the Python libraries themselves; plain cargo test leaves them out. Cauldron is
# one of them if CAULDRON_PATH names a checkout of it.
interop: server
	@scripts/install-interop.sh $(INTEROP)
	cargo test --all-features --test interop

# Whether tests fail where the processor is busy. TEST chooses them as for `cargo test`: TEST=a_part_of_a_name, or
# TEST="--test change_events" for those of a file.
under-load: server
	@scripts/under-load.sh $(RUNS) $(BUSY) $(TEST)

# A work queue under faults: nothing is lost. Its producers and workers are processes of their own.
soak: server
	cargo test --all-features --test soak -- $(SECONDS) $(SEED)

# The same in short, and with workers that pop, which must lose jobs.
short-soak: server
	cargo test --all-features --test soak -- 15
	cargo test --all-features --test soak -- 3 --plain

# Everything that decodes bytes of others, on bytes that a seed makes. SEED repeats what was found.
fuzz:
	FUZZ_SECONDS=$(SECONDS) $(if $(SEED),FUZZ_SEED=$(SEED)) cargo test --all-features --lib -- fuzz:: --nocapture

short-fuzz:
	FUZZ_SECONDS=30 cargo test --all-features --lib -- fuzz::

bench: server
	cargo bench --package $(PEERS) --bench overhead
	cargo bench --bench bulk
	cargo bench --package $(PEERS) --bench concurrency
	cargo bench --package $(PEERS) --bench near_cache
	cargo bench --package $(PEERS) --bench queue
	cargo bench --bench memory
	cargo bench --features keyword --bench keyword

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

lint:
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy --test interop --test soak --all-features -- -D warnings

features:
	cargo clippy --no-default-features --lib -- -D warnings
	@set -e; for feature in $(FEATURES); do \
		echo "cargo clippy --no-default-features --features $$feature --lib -- -D warnings"; \
		cargo clippy --no-default-features --features $$feature --lib -- -D warnings; \
	done
	@echo "Without the feature async there is no tokio:"
	! cargo tree --edges normal --no-default-features --features tls,near-cache,keyword | grep -w tokio

# Most tests wait for servers, so that two programs run at a time.
unit: server
	@scripts/run-tests.sh 2 --all-features
	@scripts/run-tests.sh 2 $(PROGRAMS)
	cargo test --all-features --doc

peers: server
	cargo test --package $(PEERS)

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

# cargo test has built them in the same profile.
examples: server
	cargo run --quiet --all-features --example work_queue -- src
	cargo run --quiet --all-features --example work_queue -- src --workers 3 --kill
	cargo run --quiet --all-features --example many_dicts
	cargo run --quiet --all-features --example shared_state
	cargo run --quiet --all-features --example feature_flags -- 2 1
	cargo run --quiet --all-features --example read_through -- 2 1
	cargo run --quiet --all-features --example telescope

deny:
	@if ! cargo deny --version >/dev/null 2>&1; then \
		echo "cargo-deny is not installed (cargo install cargo-deny --locked): nothing checked."; \
	else \
		set -e; \
		cargo deny check bans licenses sources; \
		if cargo deny fetch db; then cargo deny check --disable-fetch advisories; \
		else echo "The advisory database cannot be fetched: advisories not checked."; fi; \
	fi
