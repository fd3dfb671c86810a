# MinIO, built from its Go module: S3 for the lake's files.
# shellcheck shell=bash disable=SC2154 # deploy/stack sets state, cache and root

minio_address() { echo "http://127.0.0.1:$STACK_MINIO_PORT"; }
minio_ports() { echo "MINIO CONSOLE"; }

minio_prepare() {
	bring "$cache/bin" bin
	make_folder "$state/minio" 700
}

minio_run() {
	as_server env MINIO_ROOT_USER="$MINIO_ACCESS_KEY" MINIO_ROOT_PASSWORD="$MINIO_SECRET_KEY" \
		MINIO_UPDATE=off MINIO_CALLHOME_ENABLE=off "$state/programs/bin/minio" server --quiet \
		--address "127.0.0.1:$STACK_MINIO_PORT" \
		--console-address "127.0.0.1:$STACK_CONSOLE_PORT" "$state/minio"
}

minio_answers() { curl -fs -o /dev/null "$(minio_address)/minio/health/ready"; }

minio_complete() { buckets >/dev/null; }

run_mc() {
	as_server env MC_HOST_stack="http://$MINIO_ACCESS_KEY:$MINIO_SECRET_KEY@127.0.0.1:$STACK_MINIO_PORT" \
		"$state/programs/bin/mc" --config-dir "$state/tmp/mc" "$@"
}
