# rolecall in a container: the mock identity provider where other containers find
# it, kind's nodes among them, with the embedded cluster beside it.
#
#   just image                                  the program, packed
#   mkdir -p .rolecall; docker network create kind
#   docker run --network kind --user "$(id -u):$(id -g)" -v "$PWD/.rolecall:$PWD/.rolecall" \
#     rolecall up --listen auto --for-kind --dir "$PWD/.rolecall"
#
# It packs a program that is built already, so that it needs no network of its own:
# any base will do that has the C library of where the program was built. Where
# there is no registry, that is our node image (`just kind-node-image`).
ARG BASE=debian:bookworm-slim
FROM ${BASE}
COPY rolecall /usr/local/bin/rolecall
ENTRYPOINT ["/usr/local/bin/rolecall"]
CMD ["up", "--listen", "auto", "--dir", "/var/lib/rolecall"]
# Nothing is asked of a terminal, and a Ctrl-C of `docker run` or `docker stop` is
# an end like any other.
STOPSIGNAL SIGTERM
