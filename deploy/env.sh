# The addresses of a stack that is up, as they stand in .stack/env: the names are the usual ones, and those of
# psql (PG...), so that it needs no arguments.
# shellcheck shell=bash

# As a shell reads them, whatever is in the values.
print_settings() { # NAME VALUE...
	while [ $# -gt 0 ]; do
		printf '%s=%q\n' "$1" "$2"
		shift 2
	done
}

# Flink may see PostgreSQL and MinIO elsewhere than this machine does.
print_env() { # HOST POSTGRES_AS_FLINK_SEES_IT MINIO_AS_FLINK_SEES_IT LAKE_URL
	print_settings \
		POSTGRES_URL "jdbc:postgresql://$1:$STACK_POSTGRES_PORT/$POSTGRES_DB" \
		JDBC_BASE_URL "jdbc:postgresql://$1:$STACK_POSTGRES_PORT" \
		POSTGRES_USER "$POSTGRES_USER" \
		POSTGRES_PASSWORD "$POSTGRES_PASSWORD" \
		POSTGRES_DB "$POSTGRES_DB" \
		PGHOST "$1" \
		PGPORT "$STACK_POSTGRES_PORT" \
		PGUSER "$POSTGRES_USER" \
		PGPASSWORD "$POSTGRES_PASSWORD" \
		PGDATABASE "$POSTGRES_DB" \
		KAFKA_URL "$1:$STACK_KAFKA_PORT" \
		KAFKA_TOPIC "$KAFKA_TOPIC" \
		KAFKA_GROUP "$KAFKA_GROUP" \
		MINIO_URL "http://$1:$STACK_MINIO_PORT" \
		MINIO_CONSOLE_URL "http://$1:$STACK_CONSOLE_PORT" \
		MINIO_ACCESS_KEY "$MINIO_ACCESS_KEY" \
		MINIO_SECRET_KEY "$MINIO_SECRET_KEY" \
		FLINK_URL "http://$1:$STACK_FLINK_PORT" \
		SQL_GATEWAY_URL "http://$1:$STACK_GATEWAY_PORT" \
		FLINK_CATALOG_URL "jdbc:postgresql://$2/lake_catalog" \
		FLINK_S3_ENDPOINT "http://$3" \
		LAKE_URL "$4"
}

# As a text of SQL.
sql_text() { # TEXT
	local quote="'"
	echo "'${1//$quote/$quote$quote}'"
}

# How Flink finds the lake's tables, from what stands in .stack/env.  What it makes itself goes to the
# bucket "staging".
print_catalog() {
	cat <<-END
		CREATE CATALOG walberg WITH (
			'type' = 'iceberg',
			'catalog-impl' = 'org.apache.iceberg.jdbc.JdbcCatalog',
			'jdbc.schema-version' = 'V1',
			'uri' = $(sql_text "$FLINK_CATALOG_URL"),
			'jdbc.user' = $(sql_text "$POSTGRES_USER"),
			'jdbc.password' = $(sql_text "$POSTGRES_PASSWORD"),
			'warehouse' = 's3://staging',
			'io-impl' = 'org.apache.iceberg.aws.s3.S3FileIO',
			's3.endpoint' = $(sql_text "$FLINK_S3_ENDPOINT"),
			's3.path-style-access' = 'true',
			's3.access-key-id' = $(sql_text "$MINIO_ACCESS_KEY"),
			's3.secret-access-key' = $(sql_text "$MINIO_SECRET_KEY"),
			'client.region' = 'us-east-1'
		);
	END
}
