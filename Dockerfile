# The connector as one static binary on busybox: sh, sleep and mv are what Airbyte's launcher needs of an image.
#
#   docker build -t airbyte/source-stock-ticker-api:dev .
#   docker build --target test .                            runs the whole test suite inside the image's build stage
#
# The base images are named by tag and not by digest: the tags get security fixes, of the last one only busybox's tools
# are used, and a release's provenance records the digests that it was built from.

FROM rust:1-slim-bookworm AS dependencies
WORKDIR /build
# glibc is linked statically: musl's allocator would make a sync more than twice as slow.
ENV RUSTFLAGS="-C target-feature=+crt-static"
COPY Cargo.toml Cargo.lock ./
# The dependencies are built apart from the sources, so that a change of the sources does not build them again. The
# target is named so that build scripts and macros, which can't be linked statically, are not.
RUN mkdir -p src integration_tests/benchmark \
    && echo 'fn main() {}' | tee src/main.rs integration_tests/demo.rs integration_tests/main.rs \
        integration_tests/picture.rs > integration_tests/benchmark/main.rs \
    && touch src/lib.rs \
    && target="$(rustc -vV | sed -n 's/^host: //p')" \
    && cargo build --release --locked --target "$target" --bin source-stock-ticker-api

FROM dependencies AS sources
COPY spec.json metadata.yaml acceptance-test-config*.yml CHANGELOG.md CONTRIBUTING.md README.md Dockerfile ./
COPY docs docs
COPY src src
COPY integration_tests integration_tests
COPY fuzz/corpus fuzz/corpus
RUN touch src/main.rs src/lib.rs

FROM sources AS test
RUN cargo test --locked --target "$(rustc -vV | sed -n 's/^host: //p')"

FROM sources AS build
COPY .ci/licences .ci/
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
    && cargo build --release --locked --target "$target" --bin source-stock-ticker-api \
    && mkdir /image \
    && .ci/licences "$target" | gzip -9n > /image/third-party-licences.txt.gz \
    && cp "target/$target/release/source-stock-ticker-api" /etc/ssl/certs/ca-certificates.crt /image/ \
    && echo 'airbyte:x:1000:1000::/airbyte:/bin/sh' > /image/passwd \
    && echo 'airbyte:x:1000:' > /image/group

FROM busybox:stable
COPY --from=build /image/passwd /image/group /tmp/
RUN cat /tmp/passwd >> /etc/passwd && cat /tmp/group >> /etc/group && rm /tmp/passwd /tmp/group \
    && mkdir /airbyte && chown 1000:1000 /airbyte
COPY --from=build /image/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /image/third-party-licences.txt.gz /usr/share/licenses/source-stock-ticker-api/
COPY --from=build /image/source-stock-ticker-api /usr/local/bin/source-stock-ticker-api
# glibc would keep the memory of pages for each thread that ever held one; so it gives it back.
ENV MALLOC_MMAP_THRESHOLD_=131072 \
    MALLOC_TRIM_THRESHOLD_=131072
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    AIRBYTE_ENTRYPOINT=/usr/local/bin/source-stock-ticker-api
WORKDIR /airbyte
USER 1000:1000
LABEL io.airbyte.name=airbyte/source-stock-ticker-api \
      io.airbyte.version=0.1.0
ENTRYPOINT ["/usr/local/bin/source-stock-ticker-api"]
