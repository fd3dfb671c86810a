#!/usr/bin/env bash
#
# scripts/monitor-kafka.sh [OPTION...]: the decoded changes as they come, one a line, until Ctrl-C.
# They are read from walberg's log; options are those of "walberg log".

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/addresses.sh
. scripts/addresses.sh

exec "$STACK" walberg log --follow "$@"
