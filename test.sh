#!/usr/bin/env bash
# Runs everything that has to hold: format, lints, dependencies, tests. Installs what the tests need where it can:
# cargo-nextest from crates.io, and nginx from Debian's packages (that takes root; without root it says what is missing).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '\n== %s\n' "$*"; }

need_nextest() {
  command -v cargo-nextest >/dev/null && return
  say "installing cargo-nextest"
  cargo install --locked cargo-nextest
}

need_nginx() {
  command -v nginx >/dev/null || [[ -x /usr/sbin/nginx ]] && return
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "nginx is missing: the test behind a real proxy needs it. As root: apt-get install --no-install-recommends nginx-light" >&2
    exit 1
  fi
  say "installing nginx (Debian's nginx-light)"
  apt-get update -qq
  # Only the program is wanted: the package must not start a service.
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d.mcpctl && chmod +x /usr/sbin/policy-rc.d.mcpctl
  [[ -e /usr/sbin/policy-rc.d ]] || { mv /usr/sbin/policy-rc.d.mcpctl /usr/sbin/policy-rc.d; trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
  rm -f /usr/sbin/policy-rc.d.mcpctl
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light >/dev/null
}

need_nextest
need_nginx

# One feature set for all steps, so that nothing is compiled twice: it adds the conformance suite of the log adapters.
features=(--features mcpctl-events/testing)

say "format"
cargo fmt --all --check

say "lints"
cargo clippy --workspace --all-targets --locked "${features[@]}" -- -D warnings

if command -v cargo-deny >/dev/null; then
  say "dependencies: licenses, sources, duplicates"
  cargo deny --log-level error check bans licenses sources
fi
if command -v cargo-machete >/dev/null; then
  say "dependencies: unused"
  cargo machete
fi

say "programs"
cargo build --workspace --bins --locked "${features[@]}"

say "tests"
cargo nextest run --workspace --locked "${features[@]}" "$@"
