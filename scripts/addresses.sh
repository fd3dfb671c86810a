# What the scripts share: the addresses of the stack that is up, and its commands.  STACK is
# deploy/stack or deploy/containers: the one that is up, unless make has set it.
# shellcheck shell=bash

if [ -z "${STACK:-}" ]; then
	STACK=deploy/stack
	! grep -qx FORM=docker "${STACK_DIR:-.stack}/ports" 2>/dev/null || STACK=deploy/containers
fi
addresses=$("$STACK" env) || exit 1
set -a
eval "$addresses"
set +a

psql_() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

walberg() { "$STACK" walberg "$@" </dev/null; }

error() { # TEXT [HINT]
	echo "error: $1" >&2
	[ -z "${2:-}" ] || echo " hint: $2" >&2
	exit 1
}
