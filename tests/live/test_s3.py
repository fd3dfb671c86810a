"""A lake whose tables are in a bucket: what can be wrong about the bucket is one clear error with a
hint, TLS is checked, and a server that goes away is waited for."""

import contextlib
import socket

import pytest

from conftest import ROWS
from support import minio, postgres
from support.refusal import assert_refused


@pytest.fixture(scope="module")
def bucket():
    with minio.Minio(buckets=["warehouse"], region="eu-test-1") as server:
        server.add_user("reader", "reader-secret", "readonly")
        yield server


@pytest.fixture(scope="module")
def bucket_with_tls():
    with minio.Minio(buckets=["warehouse"], tls=True) as server:
        yield server


@pytest.fixture
def lake(table, database, walberg, bucket):
    """Not started."""
    return walberg(bucket.settings(f"s3://warehouse/{database.name}"))


def assert_works(lake, database):
    lake.start()
    lake.wait_live()
    database.sql(ROWS.format(101, 200))
    database.catch_up(lake)
    assert lake.stop() == 0


@pytest.mark.parametrize("settings, parts", [
    ({"s3.secret_key": "no-such-key"}, ["SignatureDoesNotMatch", "s3.secret_key"]),
    ({"s3.access_key": "nobody"}, ["InvalidAccessKeyId", "s3.access_key"]),
    ({"s3.region": "us-east-1"}, ["AuthorizationHeaderMalformed", 's3.region to "eu-test-1"']),
    ({"lake.warehouse": "s3://no-such-bucket/x"}, ["NoSuchBucket", 'bucket "no-such-bucket"']),
    ({"lake.warehouse": "s3://x"}, ["s3://x", "lower-case letters"]),
    ({"lake.warehouse": "gs://warehouse/x"}, ["gs://warehouse/x", "s3://BUCKET/PREFIX"]),
    ({"lake.warehouse": "s3:warehouse/x"}, ["s3:warehouse/x", "s3://BUCKET/PREFIX"]),
    ({"s3.access_key": "reader", "s3.secret_key": "reader-secret"},
     ["AccessDenied", "s3:PutObject"]),
    ({"s3.session_token": "of-another"}, ["s3.session_token"]),
    ({"s3.endpoint": "http://no-such-host.invalid:9000"}, ["no-such-host.invalid",
                                                          "s3.endpoint"]),
    ({"s3.endpoint": "127.0.0.1:9000"}, ["127.0.0.1:9000", "http://HOST:PORT"]),
    ({"s3.ca_file": "/no/such/file.pem"}, ["/no/such/file.pem", "s3.ca_file"]),
])
def test_what_is_wrong_about_a_bucket_is_told(lake, database, settings, parts):
    right = dict(lake.settings)
    lake.settings.update(settings)
    assert_refused(lake, *parts)
    assert database.value("SELECT count(*) FROM pg_replication_slots") == 0
    lake.settings = right
    assert_works(lake, database)


def test_an_endpoint_where_nothing_listens_or_something_else_does(lake):
    lake.settings["s3.endpoint"] = f"http://127.0.0.1:{postgres.free_port()}"
    assert_refused(lake, "Failed to connect", "s3.endpoint")
    with contextlib.closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        lake.settings["s3.endpoint"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert_refused(lake, "s3.endpoint")


def test_the_certificate_of_a_server_is_checked(walberg, database, bucket_with_tls):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    lake = walberg(bucket_with_tls.settings("s3://warehouse/tls"))
    ca_file = lake.settings.pop("s3.ca_file")
    assert_refused(lake, "certificate", "s3.ca_file")
    lake.settings["s3.endpoint"] = bucket_with_tls.url.replace("https", "http")
    assert_refused(lake, "s3.endpoint", "with its http:// or https://")
    lake.settings["s3.endpoint"] = bucket_with_tls.url
    lake.settings["s3.ca_file"] = ca_file
    database.sql("INSERT INTO t SELECT i, md5(i::text) || md5(i::text || 'x')"
                 " FROM generate_series(1001, 400000) i")
    assert_works(lake, database)
    sizes = bucket_with_tls.objects("warehouse", "tls/public/t/data/").values()
    assert max(sizes) > 8 << 20  # which went in parts
    count = lake.sql("SELECT count(*) AS n, max(a) AS a FROM t")[0]
    assert count["n"] == 399100 and count["a"] == database.value(
        'SELECT max(a COLLATE "C") FROM t')


def test_plain_http_is_not_mistaken_for_tls(lake, bucket):
    lake.settings["s3.endpoint"] = bucket.url.replace("http", "https")
    assert_refused(lake, "s3.endpoint")


def test_a_server_that_is_killed_and_comes_back_is_waited_for(lake, database, bucket):
    lake.start()
    lake.wait_live()
    for _ in range(2):
        bucket.kill9()
        database.sql("INSERT INTO t SELECT max(id) + 1, 'x' FROM t")
        lake.wait_until(lambda: "s3.endpoint" in lake.log(), "no lost server is noticed")
        bucket.start()
        database.catch_up(lake)
    assert lake.stop() == 0


def test_a_bucket_s_names_may_be_any(walberg, database, bucket):
    database.sql('CREATE TABLE "a b&c=d+e%f#é" (id int PRIMARY KEY, a text)')
    database.sql('INSERT INTO "a b&c=d+e%f#é" VALUES (1, \'x\')')
    lake = walberg(bucket.settings("s3://warehouse/a b+c=é&%41"))
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    assert lake.stop() == 0
    folders = {key.rsplit("/", 2)[0] for key in bucket.objects("warehouse", "a b+c=é&%41/public/")}
    assert "a b+c=é&%41/public/a%20b%26c%3Dd%2Be%25f%23%C3%A9" in folders
