# Flink: a session cluster of one JobManager and one TaskManager, and the SQL Gateway.
# shellcheck shell=bash disable=SC2154 # deploy/stack sets state, cache and root

FLINK_SLOTS=4

jobmanager_address() { echo "http://127.0.0.1:$STACK_FLINK_PORT"; }
jobmanager_ports() { echo "FLINK RPC"; }
taskmanager_address() { echo "(at the jobmanager)"; }
taskmanager_ports() { :; }
sql_gateway_address() { echo "http://127.0.0.1:$STACK_GATEWAY_PORT"; }
sql_gateway_ports() { echo "GATEWAY"; }

# Flink has no default for what a TaskManager may use when it is started without its scripts.
flink_prepare() { # SERVICE
	local folder=$state/$1
	JAVA=$(java_program)
	bring "$cache/flink" flink
	make_folder "$folder" 755
	make_folder "$state/checkpoints" 755
	write_log4j "$1"
	cat >"$folder/config.yaml" <<-END
		jobmanager.rpc.address: 127.0.0.1
		jobmanager.rpc.port: $STACK_RPC_PORT
		jobmanager.bind-host: 127.0.0.1
		rest.address: 127.0.0.1
		rest.bind-address: 127.0.0.1
		rest.port: $STACK_FLINK_PORT
		taskmanager.host: 127.0.0.1
		taskmanager.bind-host: 127.0.0.1
		taskmanager.numberOfTaskSlots: $FLINK_SLOTS
		taskmanager.cpu.cores: 2
		taskmanager.memory.framework.heap.size: 64m
		taskmanager.memory.framework.off-heap.size: 64m
		taskmanager.memory.task.heap.size: 512m
		taskmanager.memory.task.off-heap.size: 0m
		taskmanager.memory.network.min: 64m
		taskmanager.memory.network.max: 64m
		taskmanager.memory.managed.size: 64m
		taskmanager.memory.jvm-metaspace.size: 256m
		taskmanager.memory.jvm-overhead.min: 64m
		taskmanager.memory.jvm-overhead.max: 64m
		parallelism.default: 1
		execution.target: remote
		execution.checkpointing.dir: file://$state/checkpoints
		restart-strategy.type: fixed-delay
		restart-strategy.fixed-delay.attempts: 3
		restart-strategy.fixed-delay.delay: 1s
		io.tmp.dirs: $state/tmp
		heartbeat.interval: 2s
		heartbeat.timeout: 20s
		cluster.registration.error-delay: 200ms
		cluster.registration.initial-timeout: 500ms
		sql-gateway.endpoint.rest.address: 127.0.0.1
		sql-gateway.endpoint.rest.bind-address: 127.0.0.1
		sql-gateway.endpoint.rest.port: $STACK_GATEWAY_PORT
	END
}

flink_java() { # SERVICE HEAP ARGUMENTS...
	local folder=$state/$1 heap=$2 open=() package
	shift 2
	for package in lang net io nio lang.reflect text time util util.concurrent \
		util.concurrent.atomic util.concurrent.locks; do
		open+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
	done
	as_server env FLINK_CONF_DIR="$folder" "$JAVA" -Xms64m -Xmx"$heap" \
		-XX:+UseSerialGC -XX:MaxMetaspaceSize=256m "${open[@]}" \
		--add-opens=java.base/sun.nio.ch=ALL-UNNAMED \
		--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED \
		--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED \
		"${JAVA_OPTIONS[@]}" -Dlog4j.configurationFile="$folder/log4j.properties" -Djava.io.tmpdir="$state/tmp" \
		-cp "$state/programs/flink/*" "$@"
}

jobmanager_prepare() { flink_prepare jobmanager; }
jobmanager_run() {
	flink_java jobmanager 256m \
		org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint \
		--configDir "$state/jobmanager" --executionMode cluster
}
jobmanager_answers() { curl -fs -o /dev/null "$(jobmanager_address)/overview"; }
jobmanager_complete() { :; }

# The JobManager remembers a TaskManager that is gone for a while: each has a name of its own.
taskmanager_prepare() {
	flink_prepare taskmanager
	echo "taskmanager.resource-id: taskmanager-$(date +%s%N)" >>"$state/taskmanager/config.yaml"
}
taskmanager_run() {
	flink_java taskmanager 576m -XX:MaxDirectMemorySize=512m \
		org.apache.flink.runtime.taskexecutor.TaskManagerRunner --configDir "$state/taskmanager"
}
taskmanager_answers() {
	local id
	id=$(sed -n 's/^taskmanager.resource-id: //p' "$state/taskmanager/config.yaml")
	curl -fs "$(jobmanager_address)/taskmanagers" | grep -q "\"$id\""
}
taskmanager_complete() { :; }

sql_gateway_prepare() { flink_prepare sql-gateway; }
sql_gateway_run() { flink_java sql-gateway 256m org.apache.flink.table.gateway.SqlGateway; }
sql_gateway_answers() { curl -fs -o /dev/null "$(sql_gateway_address)/v1/info"; }
sql_gateway_complete() { :; }
