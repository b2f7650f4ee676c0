# The connector as one static binary on BusyBox, whose sh, sleep and mv Airbyte's launcher needs.
#
#   docker build -t airbyte/source-stock-ticker-api:dev .
#
# The base images are named by tag, not by digest: tags receive security fixes.

FROM rust:1-slim-bookworm AS build
WORKDIR /build
# glibc is linked statically: musl's allocator would make a sync more than twice as slow.
ENV RUSTFLAGS="-C target-feature=+crt-static"
COPY Cargo.toml Cargo.lock ./
COPY .cargo/config.toml .cargo/
# The dependencies are built before the sources are copied, so that a change to the sources does not rebuild them. With
# an explicit target, build scripts and macros, which can't be linked statically, are built without these flags.
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && rustc -vV | sed -n 's/^host: //p' > target-name \
    && cargo build --release --locked --target "$(cat target-name)" --bin source-stock-ticker-api
COPY spec.json ./
COPY src src
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --target "$(cat target-name)" --bin source-stock-ticker-api
COPY .ci/licences .ci/
# No pipe to gzip: its exit code would hide that of the script.
RUN mkdir /image \
    && .ci/licences "$(cat target-name)" > /image/third-party-licences.txt \
    && gzip -9n /image/third-party-licences.txt \
    && cp "target/$(cat target-name)/release/source-stock-ticker-api" /etc/ssl/certs/ca-certificates.crt /image/ \
    && echo 'airbyte:x:1000:1000::/airbyte:/bin/sh' > /image/passwd \
    && echo 'airbyte:x:1000:' > /image/group

FROM busybox:stable
COPY --from=build /image/passwd /image/group /tmp/
RUN cat /tmp/passwd >> /etc/passwd && cat /tmp/group >> /etc/group && rm /tmp/passwd /tmp/group \
    && mkdir /airbyte && chown 1000:1000 /airbyte
COPY --from=build /image/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /image/third-party-licences.txt.gz /usr/share/licenses/source-stock-ticker-api/
COPY --from=build /image/source-stock-ticker-api /usr/local/bin/source-stock-ticker-api
# Without these, glibc would keep the memory of pages for each thread that ever held one.
ENV MALLOC_MMAP_THRESHOLD_=131072 \
    MALLOC_TRIM_THRESHOLD_=131072
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    AIRBYTE_ENTRYPOINT=/usr/local/bin/source-stock-ticker-api
WORKDIR /airbyte
USER 1000:1000
ENTRYPOINT ["/usr/local/bin/source-stock-ticker-api"]
# OWNER is whoever publishes this image; CI passes the repository and the commit that it builds.
ARG SOURCE=https://github.com/OWNER/source-stock-ticker-api
ARG REVISION=unknown
# The licence is that of the connector; /usr/share/licenses has those of the packages linked into it.
LABEL io.airbyte.name=airbyte/source-stock-ticker-api \
      io.airbyte.version=0.1.0 \
      org.opencontainers.image.title=source-stock-ticker-api \
      org.opencontainers.image.description="An Airbyte source for stock prices from Polygon.io (Massive)" \
      org.opencontainers.image.source=$SOURCE \
      org.opencontainers.image.version=0.1.0 \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.licenses=MIT
