#!/usr/bin/env bash
# Runs everything that has to hold: format, lints, dependencies, tests. Installs what the tests need where it can:
# cargo-nextest, cargo-deny and cargo-machete from crates.io, the SDKs of OpenAI and CloudEvents, litellm, a broker,
# check-jsonschema and hadolint below target/, and nginx, Postgres, node, OpenSSL and Python's venv from Debian's packages
# (that takes root; without root it says what is missing).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '\n== %s\n' "$*"; }

need_cargo() {
  command -v "$1" >/dev/null && return
  say "installing $1"
  cargo install --locked "$1"
}

# need_debian <what for> <package> <program…>: installs one of Debian's packages unless a program of it is there.
need_debian() {
  local for=$1 package=$2 program
  shift 2
  for program; do
    if command -v "$program" >/dev/null || [[ -x $program ]]; then return; fi
  done
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "$package is missing: $for. As root: apt-get install --no-install-recommends $package" >&2
    exit 1
  fi
  say "installing Debian's $package"
  (
    # Only the program is wanted: the package must not start a service.
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
      printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
      chmod +x /usr/sbin/policy-rc.d
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
  )
}

for tool in cargo-nextest cargo-deny cargo-machete; do need_cargo $tool; done
need_debian "the test behind a real proxy needs it" nginx-light nginx /usr/sbin/nginx
need_debian "the tests on Postgres start servers of their own" postgresql postgres /usr/lib/postgresql/*/bin/postgres
say "clients and a broker: OpenAI's SDKs, litellm, Kafka's protocol"
tests/sdks/install.sh

# One feature set for all steps, so that nothing is compiled twice: it adds the conformance suite and the log adapters that it is for.
features=(--features mcpctl-events/testing,mcpctl-events/kafka)

say "format"
cargo fmt --all --check

say "lints"
cargo clippy --workspace --all-targets --locked "${features[@]}" -- -D warnings
# The command line alone, for a registry that runs elsewhere.
cargo clippy --package mcpctl --no-default-features --locked -- -D warnings

# Advisories are left to whoever has their database at hand: `cargo deny check advisories` fetches it.
say "dependencies: licenses, sources, duplicates, and whether all are used"
cargo deny --log-level error check bans licenses sources
cargo machete

say "containers: compose files and the Dockerfile"
python=${CARGO_TARGET_DIR:-target}/sdks/venv/bin
"$python/check-jsonschema" --builtin-schema vendor.compose-spec compose.yaml deploy/*.yaml
"$python/hadolint" Dockerfile

say "programs"
cargo build --workspace --bins --locked "${features[@]}"

say "tests"
cargo nextest run --workspace --locked "${features[@]}" "$@"
