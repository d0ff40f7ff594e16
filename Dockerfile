# Two images of one static binary: an init for ENTRYPOINT and COPY --from, and with `--target pause` the one
# for a pod's shared PID namespace. DEBIAN is any image of Debian 12; podinit is compiled in it for the machine's kind.
ARG DEBIAN=docker.io/library/debian:bookworm-slim
FROM ${DEBIAN} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    binutils ca-certificates cargo-web gcc libc6-dev musl-tools procps rust-web-src rustc-web \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# What does not depend on src/ comes first, so that a change of src/ leaves it as it is.
COPY Cargo.toml Cargo.lock LICENSE-APACHE LICENSE-MIT build.rs ./
COPY packaging/build packaging/layout*.ld packaging/
RUN packaging/build --dependencies
COPY src src
RUN packaging/build

FROM scratch AS pause
LABEL org.opencontainers.image.title="podinit, as the pause process" \
      org.opencontainers.image.description="PID 1 of a pod's shared PID namespace: reaps, and forwards signals to the containers" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"
COPY --from=build /src/LICENSE-APACHE /src/LICENSE-MIT /src/dist/THIRD-PARTY /licenses/
COPY --from=build /src/dist/podinit /pause
# It starts as root so that it can keep CAP_KILL. It takes a random uid, and gives up all else by itself.
USER 0:0
ENTRYPOINT ["/pause"]

FROM scratch AS init
LABEL org.opencontainers.image.title="podinit" \
      org.opencontainers.image.description="A tiny static PID 1 for containers: reaps, forwards signals, stops in good order" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"
COPY --from=build /src/LICENSE-APACHE /src/LICENSE-MIT /src/dist/THIRD-PARTY /licenses/
COPY --from=build /src/dist/podinit /podinit
# Without `--`, so that `docker run IMAGE --help` and options before the program work. Nothing is lost: no program's name
# begins with a dash, and behind the program all words are its own.
ENTRYPOINT ["/podinit"]
