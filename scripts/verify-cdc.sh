#!/usr/bin/env bash
#
# scripts/verify-cdc.sh: whether changes can flow from PostgreSQL to the lake, point by point.  Each is
# ok, or wrong with a hint.  Fails when one is wrong.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/addresses.sh
. scripts/addresses.sh

LAG_BYTES_MAX=$((64 * 1024 * 1024))
wrong=0

ok() { printf 'ok     %-12s %s\n' "$1" "$2"; }
wrong() { # WHAT TEXT HINT
	printf 'wrong  %-12s %s\n       hint: %s\n' "$@"
	wrong=$((wrong + 1))
}

check_wal_level() {
	local level
	level=$(psql_ -c 'SHOW wal_level')
	if [ "$level" = logical ]; then
		ok wal_level "$level"
	else
		wrong wal_level "$level" "ALTER SYSTEM SET wal_level = logical, then restart PostgreSQL."
	fi
}

check_publication() { # SLOT
	local found
	found=$(psql_ -v slot="$1" <<<"SELECT string_agg(format('%s: %s tables', pubname,
		(SELECT count(*) FROM pg_publication_tables t WHERE t.pubname = p.pubname)), ', '
		ORDER BY pubname) FROM pg_publication p WHERE starts_with(pubname, :'slot')")
	if [ -n "$found" ]; then
		ok publication "$found"
	else
		wrong publication "there is none named $1" \
			"\"walberg run\" makes it when it starts: $STACK restart walberg"
	fi
}

check_slot() { # SLOT
	local active status
	IFS='|' read -r active status < <(psql_ -v slot="$1" <<<"SELECT active, wal_status
		FROM pg_replication_slots WHERE slot_name = :'slot'") || true
	if [ -z "$active" ]; then
		wrong slot "there is none named $1" \
			"It was dropped: \"$STACK walberg snapshot --all\" reads everything again."
	elif [ "$status" = lost ]; then
		wrong slot "$1 has lost WAL" \
			"max_slot_wal_keep_size is too small: \"$STACK walberg snapshot --all\"."
	elif [ "$active" = f ]; then
		wrong slot "$1 is not in use" "Start walberg: $STACK restart walberg"
	else
		ok slot "$1, $status"
	fi
}

check_lag() { # SLOT
	local bytes
	bytes=$(psql_ -v slot="$1" <<<"SELECT pg_current_wal_lsn() - confirmed_flush_lsn
		FROM pg_replication_slots WHERE slot_name = :'slot'")
	if [ -z "$bytes" ]; then
		wrong lag "unknown without a slot" "See above."
	elif [ "$bytes" -gt "$LAG_BYTES_MAX" ]; then
		wrong lag "$bytes bytes" "See the log for the reason: $STACK logs walberg"
	else
		ok lag "$bytes bytes"
	fi
}

check_tables() { # STATUS
	local name state reason
	if [ "$(jq '.tables | length' <<<"$1")" -eq 0 ]; then
		wrong tables "none is captured" "make sample-data loads some."
	fi
	while IFS=$'\t' read -r name state reason; do
		case $state in
		live) ok tables "$name: $state" ;;
		*) wrong tables "$name: $state${reason:+, $reason}" \
			"\"$STACK walberg snapshot $name\" brings it back, once the reason is mended." ;;
		esac
	done < <(jq -r '.tables[] | [.namespace + "." + .name, .state, .reason // ""] | @tsv' <<<"$1")
}

psql_ -c 'SELECT 1' >/dev/null || error "PostgreSQL at $PGHOST:$PGPORT does not answer" \
	"\"$STACK ps\" shows what runs."
check_wal_level
status=$(walberg status --json)
slot=$(jq -r '.source.slot.name // "walberg_" + .lake.id' <<<"$status")
check_publication "$slot"
check_slot "$slot"
check_lag "$slot"
check_tables "$status"
[ "$wrong" -eq 0 ]
