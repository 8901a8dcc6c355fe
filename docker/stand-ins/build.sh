#!/usr/bin/env bash
# Images with the official tags, made from packages; see README.md beside this file.
# In: a Docker engine (DOCKER_HOST), root, Debian's packages, PYTHON312 (a prefix with Python
# 3.12), CACHE (the servers' files, from `workshop download`), VALKEY (the server's binary).
# Out: four images, and docker/compose.override.yaml for a network without NAT.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${PYTHON312:?a folder with bin/python3.12}" "${CACHE:?the cache of workshop download}" "${VALKEY:?}"
base=workshop-stand-in/debian:bookworm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DOCKER_BUILDKIT=0

have() { docker image inspect "$1" > /dev/null 2>&1; }

if ! have "$base"; then
  if ! command -v debootstrap > /dev/null; then
    apt-get install -y --no-install-recommends debootstrap > "$work/log" 2>&1 \
      || { echo "These images are made on Debian and Ubuntu, by root, with debootstrap." >&2; exit 1; }
  fi
  mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' | sort -u | grep '/debian/\?$' | head -n 1)
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/root" "${mirror:?no mirror of Debian}" > "$work/log" 2>&1 \
    || { tail -n 5 "$work/log" >&2; exit 1; }
  # What this machine needs to reach the package registries goes into the base image, not into
  # the repository: mirrors, certificates, and the settings of pip and npm.
  for path in /etc/apt/sources.list.d/debian.sources /etc/apt/apt.conf.d/99* /etc/pip.conf \
    /usr/local/share/ca-certificates /etc/ssl/certs; do
    [ ! -e "$path" ] || cp -rL --parents "$path" "$work/root" 2> /dev/null || true
  done
  rm -f "$work/root/etc/apt/sources.list"
  # As in the official images of Debian: no archives of packages, no documentation.
  echo 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };' \
    > "$work/root/etc/apt/apt.conf.d/docker-clean"
  printf 'path-exclude /usr/share/%s/*\n' doc man locale > "$work/root/etc/dpkg/dpkg.cfg.d/docker"
  rm -rf "$work/root"/usr/share/{doc,man,locale}/* "$work/root"/var/cache/apt/* "$work/root"/var/lib/apt/lists/*
  [ ! -e /root/.npmrc ] || grep -v nodedir /root/.npmrc > "$work/root/root/.npmrc"
  bundle=/etc/ssl/certs/ca-certificates.crt
  tar -C "$work/root" -c . | docker import \
    --change "ENV SSL_CERT_FILE=$bundle PIP_CERT=$bundle NODE_EXTRA_CA_CERTS=$bundle" - "$base" > /dev/null
  rm -rf "$work/root"
fi

# A tag, a folder with a Dockerfile, then files that the build needs beside it.
image() {
  local tag=$1 folder=$2; shift 2
  have "$tag" && return
  echo "Making $tag"
  local context="$work/$folder"
  mkdir -p "$context"
  cp -r "$here/$folder/." "$context"
  for path in "$@"; do cp -rL "$path" "$context/"; done
  # Of a Python of this machine only itself and pip, as in the official image.
  find "$context" -path '*/lib/python3.12/test' -prune -exec rm -r {} + \
    -o -path '*/lib/python3.12/config-3.12-*' -prune -exec rm -r {} + \
    -o -path '*/site-packages/*' -prune ! -name 'pip*' -exec rm -r {} +
  docker build --quiet --network host --tag "$tag" "$context" > "$work/log" 2>&1 \
    || { tail -n 5 "$work/log" >&2; exit 1; }
}

image python:3.12.12-slim-bookworm python "$PYTHON312"
image apache/kafka:4.3.1 kafka "$CACHE/lib/kafka"
image docker.elastic.co/elasticsearch/elasticsearch:8.19.20 elasticsearch \
  "$CACHE/lib/elasticsearch/elasticsearch-8.19.20.zip"
image valkey/valkey:9.1.2-alpine valkey "$VALKEY"

cat > "$here/../compose.override.yaml" << 'YAML'
# Written by stand-ins/build.sh: builds reach the registries through the host's own network.
services:
  jupyter:
    build:
      network: host
YAML
