# A static binary on an empty image.
#
#     docker build -t ruddle .
#     docker run -p 6380:6380 -v ruddle-data:/data ruddle
#
# Parameters follow the image's name and take the place of the default ones:
#     docker run ruddle --bind '* -::*' --protected-mode no --maxmemory 256mb

# Alpine's toolchain targets musl, so what it links is static. build-base has the C compiler and
# the headers for the allocator.
FROM rust:1-alpine AS build
RUN apk add --no-cache build-base
WORKDIR /build
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock build.rs ./
COPY linker linker
COPY src src
COPY benches benches
RUN cargo build --release --locked --bins \
    && mkdir -p /image/data \
    && cp target/release/ruddle target/release/ruddle-cli /image/

FROM scratch
# The folder belongs to the user, and a volume that is made for it inherits that.
COPY --from=build --chown=10001:10001 /image/ /
USER 10001:10001
VOLUME /data
WORKDIR /data
EXPOSE 6380
ENTRYPOINT ["/ruddle"]
# Inside a container the loopback interface is nobody's: the published port is the protection.
CMD ["--bind", "* -::*", "--protected-mode", "no"]
