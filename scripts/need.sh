#!/bin/sh
# Prints the path of a program that is new enough, or says what to install. Usage: need.sh python|node|npm
set -eu

python_ok='import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (4, 0) else 1)'

case "$1" in
python)
  for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c "$python_ok" 2>/dev/null; then
      if ! "$name" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "Python $("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])') lacks the venv module. On Debian and Ubuntu: sudo apt install python3-venv" >&2
        exit 1
      fi
      command -v "$name"
      exit 0
    fi
  done
  echo "OneTake needs Python 3.11 or newer. On Debian and Ubuntu: sudo apt install python3 python3-venv; on macOS: brew install python@3.13" >&2
  exit 1
  ;;
node | npm)
  if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 &&
    node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'; then
    command -v "$1"
    exit 0
  fi
  echo "OneTake needs Node.js 20 or newer, with npm, to build its web page: https://nodejs.org/en/download" >&2
  exit 1
  ;;
*)
  echo "usage: need.sh python|node|npm" >&2
  exit 2
  ;;
esac
