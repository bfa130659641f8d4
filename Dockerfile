# syntax=docker/dockerfile:1
# All four programs in one image; the command decides which one runs.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY migrations migrations
COPY events events
COPY projector projector
COPY api api
COPY publisher-agent publisher-agent
COPY cli cli
COPY tests tests
COPY fuzz fuzz
# The target folder is a cache and no part of the layer, so the programs are copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin mcpd --bin mcpd-projector --bin mcplocal --bin mcpctl \
    && mkdir /out \
    && cp target/release/mcpd target/release/mcpd-projector target/release/mcplocal target/release/mcpctl /out/

FROM debian:bookworm-slim
# Certificates for calls over TLS; every other dependency is linked in.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /home/mcpctl mcpctl \
    && install -d -m 0700 -o mcpctl -g mcpctl /home/mcpctl/.mcpctl /var/lib/mcpd
COPY --from=build /out/ /usr/local/bin/
USER 10001
# Reachable from outside of the container, so `--auth off` is refused here.
ENV MCPCTL_HOME=/home/mcpctl/.mcpctl \
    MCPCTL_SERVER=http://127.0.0.1:8420 \
    MCPD_LISTEN=0.0.0.0:8420 \
    MCPD_DATA_DIR=/var/lib/mcpd
EXPOSE 8420
# Fails unless the server is up and its tables have caught up with the log. For mcpd; mcplocal serves nothing.
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s CMD ["mcpctl", "status", "--quiet"]
CMD ["mcpd"]
