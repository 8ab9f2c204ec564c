# syntax=docker/dockerfile:1

# Outflow in a small image: one binary, no shell, an ordinary user.
#
#   docker build -t outflow .
#   docker run --rm -v "$PWD:/project" -e HUBSPOT_TOKEN outflow run
#   docker run -d -v "$PWD:/project" -e HUBSPOT_TOKEN -p 8321:8321 outflow     # serves; needs `http.tokens`
#
# The project (outflow.yaml, mappings/, data, and the state folder) is mounted at /project; it must be
# writable for user 65532, for the state is kept there.

FROM rust:1.90-slim-bookworm AS rust
WORKDIR /build

# The manifests with empty sources: this stage's result changes only when a dependency does, so that
# the next stage's layer of built dependencies is kept.
FROM rust AS manifests
COPY . .
RUN mkdir /manifests \
 && find . \( -name Cargo.toml -o -name Cargo.lock -o -path ./.cargo/config.toml \) -exec cp --parents {} /manifests \; \
 && find /manifests -name Cargo.toml -execdir mkdir -p src \; -execdir touch src/lib.rs \; \
 && find /manifests/src -name Cargo.toml -execdir touch lib.rs \;

FROM rust AS build
COPY --from=manifests /manifests .
RUN echo 'fn main() {}' > src/main.rs \
 && cargo build --locked --profile dist --features unload --bin outflow
COPY . .
# Newer than the empty sources, whatever the checkout's times are.
RUN find src connectors mappings -type f -exec touch {} + \
 && cargo build --locked --profile dist --features unload --bin outflow \
 && mkdir /project

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="Outflow" \
      org.opencontainers.image.description="Keeps contacts in marketing tools equal to a model in the warehouse" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /build/target/dist/outflow /usr/local/bin/outflow
COPY --from=build --chown=65532:65532 /project /project
WORKDIR /project
VOLUME /project
USER 65532:65532
# Proves that the binary starts, that /project/outflow.yaml is valid and that the state can be opened.
# It proves nothing about the destinations: asking them would spend their quota.
HEALTHCHECK --interval=60s --timeout=10s --start-period=5s --retries=3 \
    CMD ["outflow", "status", "--json"]
ENTRYPOINT ["outflow"]
EXPOSE 8321
CMD ["serve", "--listen", "0.0.0.0:8321"]
