# Two images of one static binary: `--target init` for ENTRYPOINT and COPY --from, `--target pause` for
# a pod's shared PID namespace. BUILDER is any image with cargo, a C linker and glibc's static library.
ARG BUILDER=docker.io/library/rust:1-bookworm
FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM scratch AS pause
COPY --from=build /src/target/release/podinit /pause
# It starts as root so that it can keep CAP_KILL. It takes a random uid, and gives up all else by itself.
USER 0:0
ENTRYPOINT ["/pause"]

FROM scratch AS init
COPY --from=build /src/target/release/podinit /podinit
ENTRYPOINT ["/podinit", "--"]
