#!/usr/bin/env bash
# Compares a running server with what its /openapi.json says of it: tests/schema/run.sh [schemathesis options].
# Needs Python's venv; installs schemathesis below target/ and starts the server from there, on a registry of its own.
# MCPD is the program, else the one of the debug build.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../target}")
mcpd=${MCPD:-$target/debug/mcpd}
version=4.32.5

venv=$target/schemathesis-$version
[[ -x $venv/bin/st ]] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"; }

home=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$home"' EXIT
# The kernel names a free port; the server says which.
MCPCTL_HOME=$home "$mcpd" --listen 127.0.0.1:0 --data-dir "$home/data" >"$home/mcpd.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  url=$(sed -n 's/.*"mcpdUrl":"\([^"]*\)".*/\1/p' "$home/credentials" 2>/dev/null || true)
  [[ -n $url ]] && break
  sleep 0.1
done
[[ -n ${url:-} ]] || { cat "$home/mcpd.log" >&2; exit 1; }
token=$(sed -n 's/.*"token":"\([^"]*\)".*/\1/p' "$home/credentials")

# A stream never ends, a poll waits for calls, and a revoked token is the one that asks: these are tested elsewhere.
"$venv/bin/st" --config-file "$here/schemathesis.toml" run "$url/openapi.json" --wait-for-schema 10 \
  --header "Authorization: Bearer $token" --request-timeout 10 --workers 2 --continue-on-failure \
  --exclude-path /api/v1/llms/_provider-stream --exclude-path /api/v1/llms/_provider-tasks --exclude-operation-id revokeToken "$@"
