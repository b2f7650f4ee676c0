# Shortcuts; `just` lists them. https://just.systems

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

# Check the workflows
workflows:
    .ci/run workflows

# Run Airbyte's own tests, PyAirbyte and the README's commands
clients:
    .ci/run clients

# Build the image and test it the way Airbyte runs it
image:
    .ci/run image

# Build for arm64 and run the binary under qemu
arm64:
    .ci/arm64

# Build with the minimum Rust version
msrv:
    .ci/minimum-rust-version

# Check the dependencies: advisories, licences, sources
deny:
    cargo deny --locked check

# Run everything that a pull request must pass
all:
    .ci/run
