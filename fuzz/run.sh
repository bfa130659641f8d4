#!/usr/bin/env bash
# Looks for inputs that break a target's promise: fuzz/run.sh [SECONDS [TARGET...]], ten minutes and all targets by default.
# Needs a nightly compiler and a C++ compiler; installs cargo-fuzz if it is missing. What is found new goes into
# target/fuzz/corpus, what breaks something into target/fuzz/artifacts: fix it, and keep it in fuzz/corpus.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-600}
shift || true
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || mapfile -t targets < <(cd fuzz/fuzz_targets && for target in *.rs; do echo "${target%.rs}"; done)
rustup toolchain list | grep -q nightly || rustup toolchain install nightly --profile minimal
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

# Link-time optimisation takes longer than it is worth here.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
cargo +nightly fuzz build --features libfuzzer
built=target/$(rustc -vV | sed -n 's/^host: //p')/release
broken=()
for target in "${targets[@]}"; do
  printf '\n== %s, %s s\n' "$target" "$seconds"
  mkdir -p "target/fuzz/corpus/$target" "target/fuzz/artifacts/$target"
  # As it was built above, whatever changes meanwhile. The first folder is where new inputs go.
  "$built/$target" "target/fuzz/corpus/$target" "fuzz/corpus/$target" \
    -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="target/fuzz/artifacts/$target/" || broken+=("$target")
done
[[ ${#broken[@]} -eq 0 ]] || { echo "broken: ${broken[*]}; see target/fuzz/artifacts" >&2; exit 1; }
