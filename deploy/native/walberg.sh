# walberg itself, as it was built last.
# shellcheck shell=bash disable=SC2154 # deploy/stack sets state, cache and root

walberg_address() { echo "http://127.0.0.1:$STACK_WALBERG_PORT"; }
walberg_ports() { echo "WALBERG"; }

# Its library comes with it, for a user who cannot reach the builder's files.
walberg_prepare() {
	local program=${WALBERG:-$root/build/walberg} library
	[ -x "$program" ] || fail "walberg is not built" "Run make build."
	make_folder "$state/programs/walberg" 755
	make_folder "$state/lake" 755
	cp --remove-destination -L "$program" "$state/programs/walberg/walberg"
	library=$(ldd "$program" | awk '/libduckdb/ { print $3 }')
	cp -uL "$library" "$state/programs/walberg/"
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
	as_server env LD_LIBRARY_PATH="$state/programs/walberg" \
		"$state/programs/walberg/walberg" "$@"
}
