# What both forms of the stack are told: .env, its ports, and the environment, which counts more.
# Read by deploy/stack and deploy/containers in the project's directory; $state is the stack's own,
# $form the one that reads it: native or docker.
# shellcheck shell=bash disable=SC2034,SC2154

# shellcheck source=deploy/versions
. deploy/versions

SERVICES="postgres kafka minio jobmanager taskmanager sql-gateway walberg"
BUCKETS="warehouse staging"

# In the order in which STACK_PORT_BASE=N moves them: to N, N + 1, ...
PORTS="POSTGRES=5432 KAFKA=9092 FLINK=8081 GATEWAY=8083 MINIO=9000 CONSOLE=9001 WALBERG=8080
	CONTROLLER=9093 RPC=6123"

fail() { # TEXT [HINT]
	echo "error: $1" >&2
	[ -z "${2:-}" ] || echo " hint: $2" >&2
	exit 1
}

# Sets what the lines of a file give and the environment does not: NAME=VALUE, NAME='VALUE' or
# NAME="VALUE", as walberg and Docker Compose read them.
read_settings() { # FILE
	local line name form='^[[:blank:]]*(export[[:blank:]]+)?([A-Z_][A-Z0-9_]*)[[:blank:]]*=(.*)$'
	while IFS= read -r line || [ -n "$line" ]; do
		[[ ${line%$'\r'} =~ $form ]] || continue
		name=${BASH_REMATCH[2]}
		unquote "${BASH_REMATCH[3]}"
		[ -n "${!name+set}" ] || export "$name=$REPLY"
	done <"$1"
}

# The value in what stands behind the "=", as REPLY.
unquote() {
	local single="^[[:blank:]]*'([^']*)'" double='^[[:blank:]]*"(([^"\\]|\\.)*)"'
	if [[ $1 =~ $single ]]; then
		REPLY=${BASH_REMATCH[1]}
	elif [[ $1 =~ $double ]]; then
		unescape "${BASH_REMATCH[1]}"
	else
		REPLY=${1%%[[:blank:]]#*}
		REPLY=${REPLY#"${REPLY%%[![:blank:]]*}"}
		REPLY=${REPLY%"${REPLY##*[![:blank:]]}"}
	fi
}

unescape() {
	local rest=$1 text=
	while [[ $rest == *\\* ]]; do
		text+=${rest%%\\*}
		rest=${rest#*\\}
		case $rest in
		n*) text+=$'\n' ;;
		r*) text+=$'\r' ;;
		t*) text+=$'\t' ;;
		*) text+=${rest:0:1} ;;
		esac
		rest=${rest:1}
	done
	REPLY=$text$rest
}

check_version() { # NAME KNOWN...
	local name=$1
	shift
	[[ " $* " == *" ${!name} "* ]] ||
		fail "$name \"${!name}\" is not a version that the stack knows" \
			"Set $name=$1 in .env; deploy/versions lists what belongs together."
}

# Both forms keep their addresses in the same files, so that only one is up.
check_form() {
	local up
	up=$(sed -n 's/^FORM=//p' "$state/ports" 2>/dev/null || true)
	[ -z "$up" ] || [ "$up" = "$form" ] ||
		fail "the stack is up in its other form" "make FORM=$up down takes it down."
}

# STACK_POSTGRES_PORT and so on.  A stack that is up keeps the ports in $state/ports.
settle_ports() {
	local entry name given kept base=${STACK_PORT_BASE:-}
	for entry in $PORTS; do
		name=STACK_${entry%=*}_PORT
		given=${!name:-$base}
		[ -z "$base" ] || base=$((base + 1))
		kept=$(sed -n "s/^$name=//p" "$state/ports" 2>/dev/null || true)
		[ -z "$given" ] || [ -z "$kept" ] || [ "$given" = "$kept" ] ||
			fail "the stack is up with $name=$kept, not $given" "Take it down first."
		given=${given:-${kept:-${entry#*=}}}
		[[ $given =~ ^[1-9][0-9]{0,4}$ && $given -lt 65536 ]] ||
			fail "$name \"$given\" is not a port" "Set it to a number from 1 to 65535."
		export "$name=$given"
	done
}

# And the form.
keep_ports() {
	local entry name
	{
		echo "FORM=$form"
		for entry in $PORTS; do
			name=STACK_${entry%=*}_PORT
			echo "$name=${!name}"
		done
	} >"$state/ports"
}

MARK=.walberg-stack # in the folder that is the stack's

# Folders of the stack's names may be somebody's, whose data would be changed and removed.
check_state() {
	[ ! -d "$state" ] || [ -e "$state/$MARK" ] || [ -z "$(ls -A "$state")" ] ||
		fail "$state holds files that are not the stack's" \
			"Set STACK_DIR to a folder of its own.  If the stack did make this one, run: touch $state/$MARK"
}

# The buckets that are missing, by MinIO's client of either form.
buckets() {
	local bucket
	for bucket in $BUCKETS; do
		run_mc mb --quiet --ignore-existing "stack/$bucket"
	done
}

check_service() {
	[[ " $SERVICES " == *" $1 "* ]] ||
		fail "the stack has no service \"$1\"" "Its services are: $SERVICES."
}

[ ! -e .env ] || read_settings .env
: "${FLINK_VERSION:=${FLINK_VERSIONS%% *}}" "${JAVA_VERSION:=${JAVA_VERSIONS%% *}}"
# shellcheck disable=SC2086
check_version FLINK_VERSION $FLINK_VERSIONS
# shellcheck disable=SC2086
check_version JAVA_VERSION $JAVA_VERSIONS
: "${POSTGRES_USER:=postgres}" "${POSTGRES_PASSWORD:=postgres}" "${POSTGRES_DB:=postgres}"
: "${MINIO_ACCESS_KEY:=minioadmin}" "${MINIO_SECRET_KEY:=minioadmin}"
: "${KAFKA_TOPIC:=postgresql_cdc}" "${KAFKA_GROUP:=data_lake_group}"
