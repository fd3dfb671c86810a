# PostgreSQL, of Debian: the source of the lake, and the server of its catalog.
# shellcheck shell=bash disable=SC2154 # deploy/stack sets state, cache and root

POSTGRES_BIN=${PG_BIN:-/usr/lib/postgresql/$POSTGRES_VERSION/bin}

postgres_address() { echo "127.0.0.1:$STACK_POSTGRES_PORT"; }
postgres_ports() { echo "POSTGRES"; }

postgres_prepare() {
	local data=$state/postgres
	[ -x "$POSTGRES_BIN/postgres" ] ||
		fail "PostgreSQL $POSTGRES_VERSION is not installed" "Run tools/setup stack."
	[ -s "$data/PG_VERSION" ] || postgres_initialize "$data"
	cat >"$data/postgresql.auto.conf" <<-END
		listen_addresses = '127.0.0.1'
		port = $STACK_POSTGRES_PORT
		unix_socket_directories = ''
		wal_level = logical
		max_wal_senders = 16
		max_replication_slots = 16
	END
}

postgres_initialize() { # FOLDER
	local secret=$state/tmp/password
	rm -rf "$1" "$secret"
	make_folder "$1" 700
	as_server sh -c 'umask 077 && cat >"$1"' - "$secret" <<<"$POSTGRES_PASSWORD"
	as_server "$POSTGRES_BIN/initdb" -D "$1" -U "$POSTGRES_USER" -A scram-sha-256 \
		--pwfile="$secret" -E UTF8 --locale=C.UTF-8 >/dev/null
	rm "$secret"
}

postgres_run() { as_server "$POSTGRES_BIN/postgres" -D "$state/postgres"; }

postgres_answers() { psql_of postgres -c 'SELECT 1' >/dev/null 2>&1; }

# The database that .env names, when it is not there from the beginning.
postgres_complete() {
	local found
	found=$(psql_of postgres -v name="$POSTGRES_DB" <<<"SELECT 1 FROM pg_database
		WHERE datname = :'name'")
	[ -n "$found" ] || psql_of postgres -v name="$POSTGRES_DB" <<<'CREATE DATABASE :"name"'
}

psql_of() { # DATABASE ARGUMENTS...
	local database=$1
	shift
	PGPASSWORD=$POSTGRES_PASSWORD psql -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 \
		-p "$STACK_POSTGRES_PORT" -U "$POSTGRES_USER" -d "$database" "$@"
}
