#!/usr/bin/env bash
# Makes the secrets that the compose files name, each unless it is there: the admin's token, what the servers share, and the
# database's password.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p secrets
for secret in admin-token cluster-key postgres; do
  [[ -e secrets/$secret ]] || openssl rand -hex 32 >"secrets/$secret"
done
# Containers read them as users of their own.
chmod 755 secrets
chmod 644 secrets/*
