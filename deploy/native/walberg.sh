# walberg itself, as it was built last.
# shellcheck shell=bash disable=SC2154 # deploy/stack sets state, cache and root

walberg_address() { echo "http://127.0.0.1:$STACK_WALBERG_PORT"; }
walberg_ports() { echo "WALBERG"; }

# Installed, with its library, for a user who cannot reach the builder's files.
walberg_prepare() {
	local program=${WALBERG:-$root/build/release/walberg}
	[ -x "$program" ] || fail "walberg is not built" "Run make build."
	make_folder "$state/lake" 755
	make --no-print-directory install PROGRAM="$program" DESTDIR= PREFIX="$state/programs/walberg"
}

walberg_run() { walberg_here run; }

walberg_answers() {
	curl -fs -o /dev/null "$(walberg_address)/healthz" && run_walberg status >/dev/null 2>&1
}

walberg_complete() { :; }

# Any of its commands, with the stack's settings.
run_walberg() { (walberg_here "$@"); }

walberg_here() {
	set -a
	# shellcheck source=/dev/null
	. "$state/env"
	cd "$state" || exit
	as_server "$state/programs/walberg/bin/walberg" "$@"
}
