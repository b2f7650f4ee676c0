# The parts of the gate; `just` lists them. https://just.systems

[private]
default:
    @just --list --unsorted

# Format the code
fmt:
    cargo fmt

# Lint
clippy:
    cargo clippy --all-targets --locked -- -D warnings

# Run the tests, or those whose names contain FILTER
test FILTER='':
    cargo test --locked {{ FILTER }}

# Show the connector at work
demo:
    cargo run --locked --quiet --example demo

# Measure speed and memory
bench:
    cargo bench --locked

# Draw docs/split.svg anew
picture:
    cargo run --locked --quiet --example picture > docs/split.svg

# Run Airbyte's own tests and PyAirbyte against the binary
clients:
    .ci/run clients

# Build the image and try it as Airbyte runs it
image:
    .ci/run image

# Build for arm64 and run it under qemu
arm64:
    .ci/arm64

# Build with the minimum Rust version
msrv:
    .ci/minimum-rust-version

# Check the dependencies: advisories, licences, sources
deny:
    cargo deny --locked check

# Everything that a change must pass
all:
    .ci/run
