#!/usr/bin/env bash
# Makes Debian packages of the four programs below target/debian/: builds them for release, writes manual pages and
# completions, and has cargo-deb put them together. Installs cargo-deb from crates.io where it is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v cargo-deb >/dev/null || cargo install --locked cargo-deb
cargo build --release --locked --bins

programs=${CARGO_TARGET_DIR:-target}/release
# Where the manifests look for what is no program.
made=target/package
rm -rf "$made"
mkdir -p "$made/completions"
"$programs/mcpctl" man --dir "$made/man"
for shell in bash zsh fish; do
  "$programs/mcpctl" completions "$shell" >"$made/completions/mcpctl.$shell"
done

for package in mcpctl mcpd mcplocal mcpctl-projector; do
  cargo deb --quiet --locked --no-build --package "$package"
done
ls -1 "${CARGO_TARGET_DIR:-target}"/debian/*.deb
