#!/usr/bin/env bash
# Makes the secrets that compose.yaml names, each unless it is there: what the servers share, and the database's password.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p secrets
for secret in cluster-key postgres; do
  [[ -e secrets/$secret ]] || openssl rand -hex 32 >"secrets/$secret"
done
# Containers read them as users of their own.
chmod 755 secrets
chmod 644 secrets/*
