# Kafka: one broker that is its own controller (KRaft), without ZooKeeper.
# shellcheck shell=bash disable=SC2154 # deploy/stack sets state, cache and root

kafka_address() { echo "127.0.0.1:$STACK_KAFKA_PORT"; }
kafka_ports() { echo "KAFKA CONTROLLER"; }

kafka_prepare() {
	local folder=$state/kafka
	JAVA=$(java_program)
	bring "$cache/kafka" kafka
	make_folder "$folder" 755
	make_folder "$folder/data" 755
	write_log4j kafka
	cat >"$folder/server.properties" <<-END
		process.roles=broker,controller
		node.id=1
		controller.quorum.bootstrap.servers=127.0.0.1:$STACK_CONTROLLER_PORT
		listeners=PLAINTEXT://127.0.0.1:$STACK_KAFKA_PORT,CONTROLLER://127.0.0.1:$STACK_CONTROLLER_PORT
		advertised.listeners=PLAINTEXT://127.0.0.1:$STACK_KAFKA_PORT,CONTROLLER://127.0.0.1:$STACK_CONTROLLER_PORT
		controller.listener.names=CONTROLLER
		log.dirs=$folder/data
		num.partitions=1
		num.network.threads=2
		num.io.threads=2
		log.cleaner.dedupe.buffer.size=8388608
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=4
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=4
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		group.initial.rebalance.delay.ms=0
	END
	[ -e "$folder/data/meta.properties" ] || kafka_format
}

kafka_format() {
	local id
	id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 1-22)
	kafka_java kafka.tools.StorageTool format --standalone -t "$id" \
		-c "$state/kafka/server.properties" >"$state/log/kafka-format.log" 2>&1 ||
		fail "Kafka's storage cannot be made" "See $state/log/kafka-format.log."
}

kafka_java() {
	as_server "$JAVA" -Xms64m -Xmx512m -XX:+UseSerialGC "${JAVA_OPTIONS[@]}" \
		-Dlog4j2.configurationFile="$state/kafka/log4j.properties" \
		-cp "$state/programs/kafka/*" "$@"
}

kafka_run() { kafka_java kafka.Kafka "$state/kafka/server.properties"; }

kafka_answers() { kcat -b "$(kafka_address)" -L -m 1 >/dev/null 2>&1; }

kafka_complete() { :; }
