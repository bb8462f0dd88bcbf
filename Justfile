# The words of daily work. `just` alone lists them.

# What measures is compiled to be fast, unlike what tests (Cargo.toml).
OPTIMISED := "profile.release.package.e2e.opt-level=2"

_list:
    @just --list --unsorted

# Mock IdP and cluster, in the foreground
up *ARGUMENTS:
    cargo run --release -- up {{ ARGUMENTS }}

# The tutorial, step by step
demo *ARGUMENTS:
    cargo run --release -- demo {{ ARGUMENTS }}

# Every test that this machine has the programs for
test *ARGUMENTS:
    cargo test --release --workspace {{ ARGUMENTS }}

# What CI runs
ci:
    .ci/run

# Format, clippy, licences and bans, with warnings as errors
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings
    cargo deny --config .deny.toml --workspace check --hide-inclusion-graph licenses bans sources

# The API's documentation, in target/doc
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --release --no-deps --workspace

# The figures, each with how it was measured
bench: (kubernetes "etcd") (kubernetes "v1.37" "kube-apiserver" "kube-controller-manager")
    cargo build --release -p rolecall
    cargo run --release --config {{ OPTIMISED }} -p e2e --example figures
    cargo run --release --config {{ OPTIMISED }} -p e2e --example performance
    cargo run --release -p kube-rbac --example bench_rbac
    cargo run --release -p kube-authn --example bench_authn

# What each kind of cluster costs: the figures of the README's table
clusters: (kubernetes "etcd") (kubernetes "v1.37" "kube-apiserver" "kube-controller-manager") (kubernetes "kind")
    cargo build --release -p rolecall
    cargo run --release -p e2e --example clusters

# Kubernetes' own programs and the oracles; needs Go, the first time ten minutes
kubernetes *WHAT:
    kubernetes/build {{ WHAT }}

# A node image for kind, without a registry: Debian's packages and pinned Go modules; needs root and Go
kind-node-image: (kubernetes "kind")
    docker load --input "$(kubernetes/node-image/build)"

# A container image of the program; BASE is what has its C library
image BASE="debian:bookworm-slim":
    cargo build --release -p rolecall
    rm -rf target/image && mkdir target/image
    cp Dockerfile target/release/rolecall target/image/
    docker build --build-arg BASE={{ BASE }} --tag rolecall target/image

# As many fresh cases as asked for each oracle (those about rights in whole batches); ends in "CASES cases, D disagreements" for both
prove CASES MINOR="1.37": (kubernetes ("v" + MINOR) "oracle-authn" "oracle-rbac")
    #!/usr/bin/env bash
    set -uo pipefail
    { cargo run --release -p kube-authn --example equal_authn -- --kubernetes-version {{ MINOR }} --prove {{ CASES }} --seed 1 && first=0 || first=$?
      cargo run --release -p kube-rbac --example equal_rbac -- --kubernetes-version {{ MINOR }} --prove {{ CASES }} --seed 2 && exit "$first"
    } | awk '{ print; fflush() } /^[0-9]+ cases, [0-9]+ disagreements$/ { both++; cases += $1; differ += $3 }
      END { if (both == 2) printf "%d cases, %d disagreements\n", cases, differ
            else { print "an oracle could not be asked to its end"; exit 1 } }'

# The same requests to a real control plane and to ours: status, body, audit events
differential *ARGUMENTS: (kubernetes "etcd") (kubernetes "v1.37" "kube-apiserver" "kube-controller-manager" "kubectl")
    KUBEBUILDER_ASSETS=$PWD/target/kubernetes/v1.37/bin cargo run --release -p e2e --example differential -- {{ ARGUMENTS }}

# Fuzzes a parser of kube-authn: token, configuration or key_set; needs cargo-fuzz
fuzz TARGET SECONDS="60":
    cd kube-authn && cargo fuzz run --sanitizer none {{ TARGET }} -- -max_total_time={{ SECONDS }}

# Asks Kubernetes about fresh tokens; with --write, replaces kube-authn/corpus
corpus-authn *ARGUMENTS: (kubernetes "v1.37" "oracle-authn")
    cargo run --release -p kube-authn --example equal_authn -- {{ ARGUMENTS }}

# Asks Kubernetes about fresh policies; with --write, replaces kube-rbac/corpus
corpus-rbac *ARGUMENTS: (kubernetes "v1.37" "oracle-rbac")
    cargo run --release -p kube-rbac --example equal_rbac -- {{ ARGUMENTS }}
