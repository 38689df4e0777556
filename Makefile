# Verbs for people and for continuous integration. `make help` lists them.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
CC ?= cc
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# Where the tree's own tests, demo and benchmarks find the library as a user would: installed.
STAGE := $(TARGET)/stage

export CARGO CC PREFIX DESTDIR
export RELEASE_DIR := $(TARGET)/release

.PHONY: coverage book docs test-windows test-on-windows help setup build stage test faults fuzz lint fmt header bench bench-programs bench-check bench-peers bench-docs bench-languages bench-publications demo package check-packages package-all check-packages-all install clean chaos publications exits sanitize soak cross bridge demo-bridge bench-bridge assemble bump check-release rust gnu check-macos check-abi check-semver bench-streams streams test-arm64 test-musl
.DEFAULT_GOAL := help

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  make install PREFIX=/usr/local DESTDIR=   where to; LIBDIR, BINDIR, INCLUDEDIR, DATADIR as well"
	@echo "  make bench QUICK=1                        two very short rounds, to see that it runs"
	@echo "  make test ONLY='rust c'                   some of what tests/run.py --help names; tests/README.md tells of each"

setup: ## bring what this machine lacks, or name the command that does
	@tools/setup.sh

build: ## the library and the command, release profile
	@tools/setup.sh build
	$(CARGO) build --release --locked

stage: build ## install into the build folder, for tests, demo and benchmarks
	@env -u LIBDIR -u INCLUDEDIR -u BINDIR -u DATADIR PREFIX=$(STAGE) DESTDIR= tools/install.sh

test: ## every test; the last line is `N passed, N failed, N skipped`
	@tools/setup.sh test
	@$(MAKE) --no-print-directory stage
	@tests/build.sh
	@tests/run.py $(if $(AGAIN),--again) $(ONLY)

faults: ## every n-th system call fails, in every way and in series: some minutes
	@tools/setup.sh test
	@tests/faults/run.sh --full

fuzz: ## fuzz the parsers and the C functions, each for TIME seconds (60)
	@tools/setup.sh test
	@fuzz/run.sh $(or $(TIME),60)

sanitize: ## valgrind, AddressSanitizer, UndefinedBehaviourSanitizer, ThreadSanitizer, and loom over what threads share
	@tools/setup.sh test
	@$(MAKE) --no-print-directory stage
	@tests/c/run.sh --prefix $(STAGE) valgrind asan
	@tests/races/run.sh 20
	@tests/run.py loom

coverage: ## how much of core, ffi and the command the Rust and the C tests run; some minutes
	@tools/setup.sh test
	@tools/coverage.sh

chaos: ## processes are killed at random moments, and journals compared; TIME=60, SEED=1
	@tools/setup.sh test
	@$(MAKE) --no-print-directory stage
	@tests/chaos/run.sh $(if $(TIME),--time $(TIME)) $(if $(SEED),--seed $(SEED))

publications: ## what is promised of publications, in full: 1 GiB for each language, 1,000 kills; about 15 minutes
	@tools/setup.sh test
	@$(MAKE) --no-print-directory stage
	@tests/publications/run.sh --full

streams: ## what is promised of streams, in full: 1 GiB each way in each language, 10,000 left, 1,000 kills; about 20 minutes
	@tools/setup.sh test
	@$(MAKE) --no-print-directory stage
	@tests/streams/run.sh --full

exits: export SIMPLE_IPC_TEST_RUNS := $(or $(RUNS),100)
exits: ## each way to end a process, in C, Python, JavaScript and .NET, 100 times; RUNS=1000
	@case $$SIMPLE_IPC_TEST_RUNS in *[!0-9]*|0*) echo "exits: RUNS=$$SIMPLE_IPC_TEST_RUNS is no number of runs; give one from 1 up" >&2; exit 2;; esac
	@tools/setup.sh test
	@$(MAKE) --no-print-directory stage
	@tests/exits/run.sh
	@bindings/python/test.sh -k test_ending
	@bindings/node/test.sh exit.test.mjs
	@bindings/dotnet/test.sh Exits

soak: ## mixed load, with memory, descriptors and threads in a plot: TIME=10m
	@tools/setup.sh test
	@$(MAKE) --no-print-directory stage
	@tests/soak/run.sh $(if $(TIME),--time $(TIME)) --plot $(TARGET)/soak.svg

test-windows: ## build for Windows and run what was built under Wine 10; needs root; ONLY='node python' for some parts of tests/windows, SHORT=1 for the short form
	@tools/as_root.sh tools/windows.sh $(if $(SHORT),--short,$(ONLY))

# What test-windows builds of the library's own tests; there is no Wine, no C compiler and no shell script in it.
test-on-windows: ## on Windows itself: the library's own tests that test-windows runs, and the command
	$(CARGO) build --locked
	$(CARGO) test --locked -p simple-ipc --lib $(addprefix --test ,$(shell sed -n 's/^suites="\(.*\)"$$/\1/p' tools/windows.sh))

cross: ## compile and link for macOS and for Linux on arm64, compile for Windows; the first run takes some minutes
	@tools/cross.sh

test-arm64: ## what is built for Linux on arm64, run in an emulator: library, command, C, Node, Python; SHORT=1 for a part
	@tools/as_root.sh tests/targets/arm64.sh $(if $(SHORT),--short)

test-musl: ## what is built for Linux with musl, run here; the command for arm64 in an emulator; SHORT=1 for a part
	@tools/as_root.sh tests/targets/musl.sh $(if $(SHORT),--short)

check-macos: ## everything compiles and links for macOS on either processor; the first run takes some minutes
	@tools/cross.sh aarch64-apple-darwin x86_64-apple-darwin

check-abi: stage ## whether programs that were linked with the last version run with this C library; AGAINST=TAG
	@tools/abi.py --library $(STAGE)/lib/libsimpleipc.so $(if $(AGAINST),--against $(AGAINST))

check-semver: ## the same of the Rust crate, by cargo-semver-checks, which is built the first time; AGAINST=TAG
	@tools/semver.sh $(AGAINST)

lint: ## every check that runs no test; changes nothing
	@tools/setup.sh lint
	@tools/lint.sh

fmt: ## format the Rust sources
	$(CARGO) fmt --all

header: ## write include/simple_ipc.h from the library's sources
	$(CARGO) run --quiet --locked -p simple-ipc-ffi --example header

bench-programs:
	@tools/setup.sh bench
	@$(MAKE) --no-print-directory stage
	@benches/build.sh $(STAGE) $(TARGET)/benches

bench: bench-programs ## what the library reaches beside bare system calls, about 2 minutes
	@BENCH_COMMAND='make bench$(if $(QUICK), QUICK=1)' benches/run.py --programs $(TARGET)/benches $(if $(QUICK),--quick) \
		--json $(TARGET)/benches/results.json
	@benches/publications.py --programs $(TARGET)/benches $(if $(QUICK),--quick) --json $(TARGET)/benches/publications.json

bench-check: ## instructions a message takes, beside the committed figures; RENEW=1 writes them anew
	@tools/setup.sh test
	@$(MAKE) --no-print-directory stage
	@benches/build.sh $(STAGE) $(TARGET)/benches
	@benches/check.py --programs $(TARGET)/benches $(if $(RENEW),--renew)

bench-peers: bench-programs ## other libraries in the same rounds, installed in pinned versions; QUICK=1 as well
	@benches/peers/setup.sh $(TARGET)/benches
	@BENCH_COMMAND='make bench-peers$(if $(QUICK), QUICK=1)' benches/peers.py --programs $(TARGET)/benches \
		$(if $(QUICK),--quick) --json $(TARGET)/benches/peers.json --markdown $(TARGET)/benches/peers.md
	@benches/publications.py --programs $(TARGET)/benches --peers $(if $(QUICK),--quick) \
		--json $(TARGET)/benches/publications.json

bench-publications: bench-programs ## publications beside plain system calls, libzmq and nng; writes docs/performance/publications.md
	@benches/peers/setup.sh $(TARGET)/benches
	@benches/publications.py --programs $(TARGET)/benches --peers $(if $(QUICK),--quick) \
		--document docs/performance/publications.md

bench-docs: bench-programs ## docs/performance.md from a run of bench and bench-peers, about 10 minutes
	@benches/peers/setup.sh $(TARGET)/benches
	@BENCH_COMMAND='make bench-docs$(if $(QUICK), QUICK=1)' benches/run.py --programs $(TARGET)/benches --sweep \
		$(if $(QUICK),--quick) --json $(TARGET)/benches/results.json
	@BENCH_COMMAND='make bench-docs$(if $(QUICK), QUICK=1)' benches/peers.py --programs $(TARGET)/benches \
		$(if $(QUICK),--quick) --json $(TARGET)/benches/peers.json
	@.venv/bin/python benches/document.py --results $(TARGET)/benches/results.json --peers $(TARGET)/benches/peers.json

bench-languages: ## the bindings beside what their users would otherwise take, about 10 minutes; DOCUMENT=1 writes docs/languages.md
	@tools/setup.sh bench
	@$(MAKE) --no-print-directory stage
	@env STAGE=$(STAGE) benches/languages/run.sh $(if $(QUICK),--quick) $(if $(DOCUMENT),--document docs/languages.md)
	@env STAGE=$(STAGE) benches/streams/run.sh $(if $(QUICK),--quick) $(if $(DOCUMENT),--document docs/performance/streams.md)

bench-streams: ## streams in each language beside gRPC, about 5 minutes; DOCUMENT=1 writes docs/performance/streams.md
	@tools/setup.sh bench
	@$(MAKE) --no-print-directory stage
	@env STAGE=$(STAGE) benches/streams/run.sh $(if $(QUICK),--quick) $(if $(DOCUMENT),--document docs/performance/streams.md)

demo: ## processes in several languages talk on one channel
	@tools/setup.sh demo
	@$(MAKE) --no-print-directory stage
	@env STAGE=$(STAGE) tests/demo/run.sh

bridge: ## the program that carries channels between machines, release profile, into bridge/target/release
	@tools/setup.sh build
	$(CARGO) build --release --locked --manifest-path bridge/Cargo.toml

demo-bridge: stage ## two machines of a kind, a NATS server with TLS and two users between them, and who said what to whom
	@$(CARGO) build --quiet --locked --manifest-path bridge/Cargo.toml
	@env STAGE=$(STAGE) python3 tests/bridge/demo.py

bench-bridge: ## requests through two bridges beside those of the NATS client alone; QUICK=1 as well
	@$(CARGO) build --quiet --release --locked --manifest-path bridge/Cargo.toml --bins --example bench
	@nats=$$(tools/nats.sh) && PATH=$$(dirname "$$nats"):$$PATH bridge/target/release/examples/bench $(if $(QUICK),quick)

book: ## the pages of docs as a book with search, into target/book; its links are checked
	@tools/book.sh

docs: stage ## the reference of each language and the book, into target/docs; links are checked
	@bindings/python/install.sh
	@tools/docs.sh

package: ## every language's packages, into target/packages; SIMPLE_IPC_TARGET=x86_64-unknown-linux-musl for another target
	@tools/setup.sh test
	@tools/package.sh

check-packages: ## make them, and try each in an empty place; SIMPLE_IPC_TARGET as well
	@tools/setup.sh test
	@tests/packages/run.sh

package-all: ## the packages of every platform, and one release of them, on Linux on x86-64; PLATFORMS='linux-x64-musl' for some
	@tools/setup.sh test
	@tools/package_all.sh package $(PLATFORMS)

check-packages-all: ## make them, and try each as far as it can be run here; about 30 minutes of a processor
	@tools/setup.sh test
	@tools/package_all.sh check $(PLATFORMS)

assemble: ## one release in RELEASE of the packages of all platforms, which are in the folders of PARTS
	@tools/assemble.py "$(or $(RELEASE),$(TARGET)/assembled)" $(wildcard $(or $(PARTS),parts)/*)

bump: ## gives the project another version everywhere: VERSION=X.Y.Z
	@tools/bump.sh "$(VERSION)"

check-release: ## whether what is committed can be released; TAG=vX.Y.Z as well
	@tools/check_release.sh $(TAG)

publish-%:
	@TAG=$(TAG) DIST=$(DIST) tools/publish.sh $* $(or $(RELEASE),$(TARGET)/assembled)

# What a hosted machine lacks: the newest stable Rust with what the other verbs use of it; on macOS the GNU tools.
rust:
	@rustup toolchain install stable --profile minimal --component clippy,rustfmt,rust-src --no-self-update && rustup default stable

gnu:
	@tools/gnu.sh

# `sudo make install` often has no cargo on its PATH; what `make build` left behind is installed then.
install: $(if $(shell command -v $(CARGO) 2>/dev/null),build) ## put library, header, command and package files under PREFIX
	@tools/install.sh

clean: ## remove everything that was built
	$(CARGO) clean
	rm -rf $(STAGE) $(TARGET)/benches
