#!/usr/bin/env bash
# An engine and Compose where there are none, for one command:  engine.sh COMMAND ...
#
# In: Debian or Ubuntu, root, apt, and Go 1.23 or newer where no package brings Compose. The
# engine that this starts has a socket and folders of its own (below ENGINE), changes no rule of
# the firewall, and ends with COMMAND. One that runs already is used and left alone.
# Out: the exit code of COMMAND, which finds the engine by DOCKER_HOST.
set -euo pipefail
engine=${ENGINE:-$HOME/.cache/realtime-workshop/engine}
compose=github.com/docker/compose/v2@v2.40.3

refuse() { echo "$*" >&2; exit 1; }

install_docker() {
  command -v dockerd > /dev/null && return
  echo "Installing Docker's engine (docker.io)"
  { apt-get update && apt-get install -y --no-install-recommends docker.io; } > "$engine/apt.log" 2>&1 \
    || refuse "Docker's engine could not be installed; $engine/apt.log says why."
}

install_compose() {
  docker compose version > /dev/null 2>&1 && return
  for package in docker-compose-plugin docker-compose-v2; do
    if apt-get install -y --no-install-recommends "$package" >> "$engine/apt.log" 2>&1; then return; fi
  done
  command -v go > /dev/null || refuse "No package brings Docker Compose 2: install Go 1.23 or newer, which builds it."
  echo "Building Docker Compose ($compose); once, some minutes"
  local folder; folder=$(cd / && go mod download -json "$compose" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  rm -rf "$engine/compose" && cp -r --no-preserve=mode "$folder" "$engine/compose"
  mkdir -p ~/.docker/cli-plugins
  (cd "$engine/compose" && go build -trimpath -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=${compose#*@}" \
    -o ~/.docker/cli-plugins/docker-compose ./cmd) || refuse "Docker Compose could not be built."
  rm -rf "$engine/compose"
}

[ "$#" -gt 0 ] || refuse "Say which command is to have the engine: engine.sh COMMAND ..."
mkdir -p "$engine"
if ! docker info > /dev/null 2>&1; then
  [ "$(uname)" = Linux ] && command -v apt-get > /dev/null || refuse "No Docker engine runs, and it is installed here on Debian and Ubuntu only: install Docker, then make docker-test."
  [ "$(id -u)" = 0 ] || refuse "No Docker engine runs, and only root may start one: sudo make docker-test-local, or install Docker, then make docker-test."
  install_docker
  export DOCKER_HOST="unix://$engine/docker.sock"
  if ! docker info > /dev/null 2>&1; then
    dockerd --iptables=false --ip-forward=false --bridge=none --host "$DOCKER_HOST" \
      --data-root "$engine/data" --exec-root "$engine/exec" --pidfile "$engine/pid" > "$engine/log" 2>&1 &
    started=$!
    trap 'kill "$started" 2> /dev/null; wait "$started" 2> /dev/null || true' EXIT
    for ((i = 0; i < 120; i++)); do
      docker info > /dev/null 2>&1 && break
      kill -0 "$started" 2> /dev/null || refuse "Docker's engine does not start here: $(grep -v level=info "$engine/log" | tail -n 1 | cut -c 1-300)"
      sleep 0.5
    done
  fi
fi
install_compose
"$@"
