# The images of the stack that nobody publishes: MinIO, Flink with its connectors, and walberg.
# docker-compose.yml builds each as a target.  Versions are those of deploy/versions.

ARG FLINK_VERSION=1.20.3
ARG JAVA_VERSION=17

# ---- minio ----

FROM golang:1.26.7-bookworm AS minio-build
WORKDIR /stack
COPY deploy/versions deploy/versions
# hadolint ignore=DL3062 # deploy/versions pins them
RUN . deploy/versions && \
	GOBIN=/out go install -trimpath -ldflags '-s -w' "$MINIO_MODULE" && \
	GOBIN=/out go install -trimpath -ldflags '-s -w' "$MC_MODULE"

FROM debian:bookworm-20260803-slim AS minio
RUN apt-get update && \
	apt-get install -y --no-install-recommends ca-certificates && \
	rm -rf /var/lib/apt/lists/* && \
	useradd --create-home --uid 10001 minio && \
	install -d -o minio -g minio /data
COPY --from=minio-build /out/minio /out/mc /usr/local/bin/
USER 10001
VOLUME /data
EXPOSE 9000 9001
CMD ["minio", "server", "--quiet", "--address", ":9000", "--console-address", ":9001", "/data"]

# ---- flink ----

FROM debian:bookworm-20260803-slim AS connectors
RUN apt-get update && \
	apt-get install -y --no-install-recommends default-jre-headless maven && \
	rm -rf /var/lib/apt/lists/*
WORKDIR /stack
COPY deploy deploy
RUN deploy/fetch-jars /out connectors

FROM flink:${FLINK_VERSION}-scala_2.12-java${JAVA_VERSION} AS flink
COPY --from=connectors /out/*.jar /opt/flink/lib/
RUN install -d -o flink -g flink /checkpoints
USER 9999

# ---- walberg ----

FROM debian:bookworm-20260803-slim AS walberg-build
RUN apt-get update && \
	apt-get install -y --no-install-recommends make && \
	rm -rf /var/lib/apt/lists/*
WORKDIR /walberg
COPY deploy deploy
COPY tools tools
RUN tools/setup
COPY . .
RUN make && make install DESTDIR=/out

FROM debian:bookworm-20260803-slim AS walberg
RUN apt-get update && \
	apt-get install -y --no-install-recommends ca-certificates curl libcurl4 libexpat1 \
		libjansson4 libmicrohttpd12 libpq5 libsqlite3-0 libssl3 libstdc++6 libxxhash0 \
		libyaml-0-2 libzstd1 openssl zlib1g && \
	rm -rf /var/lib/apt/lists/* && \
	useradd --create-home --uid 10001 --home-dir /var/lib/walberg walberg
COPY --from=walberg-build /out/ /
COPY deploy/walberg-entrypoint /usr/local/bin/
USER 10001
WORKDIR /var/lib/walberg
VOLUME /var/lib/walberg
EXPOSE 8080
HEALTHCHECK --interval=5s --start-period=60s --retries=10 \
	CMD ["curl", "-fsk", "-o", "/dev/null", "https://127.0.0.1:8080/healthz"]
ENTRYPOINT ["walberg-entrypoint"]
CMD ["run"]
