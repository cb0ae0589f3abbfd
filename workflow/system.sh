#!/bin/sh
# Install the system packages that are missing (as root on Debian or Ubuntu), or say what to install.
set -eu
missing=""
command -v ffmpeg >/dev/null 2>&1 && command -v ffprobe >/dev/null 2>&1 || missing="$missing ffmpeg"
command -v espeak-ng >/dev/null 2>&1 || missing="$missing espeak-ng"
"${PYTHON:-python3.11}" -c "import ensurepip, venv" >/dev/null 2>&1 || missing="$missing python3.11-venv"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing:$missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get update -qq && apt-get install -y -qq $missing >/dev/null && exit 0
fi
echo "error: missing on this machine:$missing" >&2
echo "  what to do: install them (Debian, Ubuntu: sudo apt-get install$missing), then run make again" >&2
exit 2
