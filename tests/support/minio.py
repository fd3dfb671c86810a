"""A private, real MinIO server for tests: a temporary directory, a free port, loopback only.

    with Minio(buckets=["warehouse"]) as server:
        run([WALBERG, "run", url, *server.arguments("s3://warehouse/shop")])

It runs as the unprivileged user `nobody` when the tests run as root.  The programs `minio` and `mc`
are those of `tools/setup stack`, or of the folder in MINIO_BIN.  Buckets are made and looked into
by requests of our own, which walberg has no part in.
"""

import contextlib
import datetime
import hashlib
import hmac
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

from support.postgres import free_port
from support.project import CACHE

BIN = pathlib.Path(os.environ.get("MINIO_BIN", CACHE / "bin"))
USER = "nobody"
GROUP = "nogroup"
START_SECONDS = 60


def is_installed():
    return (BIN / "minio").exists()


class Refused(Exception):
    """An answer other than 2xx."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body[:300]!r}")
        self.status = status
        self.body = body


class Minio:
    """started: yes, unless start=False.  tls: https, with the certificate in `ca_file`."""

    def __init__(self, buckets=(), tls=False, region="us-east-1", start=True, environment=None):
        self.access_key = "walberg-tests"
        self.secret_key = "walberg-tests-secret"
        self.region = region
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="walberg-minio-"))
        self.data = self.directory / "data"
        self.certificates = self.directory / "certificates"
        self.log = self.directory / "server.log"
        self.environment = environment or {}
        self.process = None
        self.data.mkdir()
        self.certificates.mkdir()
        self.ca_file = self._make_certificate() if tls else None
        self._place_program()
        try:
            if start:
                self.start()
            for bucket in buckets if start else ():
                self.make_bucket(bucket)
        except BaseException:
            if self.is_running:
                self.kill9()
            raise

    # ---- addresses -------------------------------------------------------------------------

    @property
    def url(self):
        return f"{'https' if self.ca_file else 'http'}://127.0.0.1:{self.port}"

    def settings(self, warehouse):
        """walberg's, for a warehouse such as s3://warehouse/shop."""
        is_given = {"lake.warehouse": warehouse, "s3.endpoint": self.url,
                    "s3.region": self.region, "s3.access_key": self.access_key,
                    "s3.secret_key": self.secret_key, "s3.ca_file": self.ca_file}
        return {name: str(value) for name, value in is_given.items() if value}

    def arguments(self, warehouse):
        return [part for name, value in self.settings(warehouse).items()
                for part in ("--set", f"{name}={value}")]

    # ---- the server's life -----------------------------------------------------------------

    def start(self):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory),
                       "MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key,
                       "MINIO_REGION": self.region, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off",
                       "MINIO_CALLHOME_ENABLE": "off", **self.environment}
        command = [self.program, "server", "--quiet", "--address", f"127.0.0.1:{self.port}",
                   "--certs-dir", self.certificates, self.data]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                list(map(str, command)), cwd=self.directory, env=environment, stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **self._as_user())
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MinIO did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def stop(self):
        self._end(signal.SIGTERM)

    def kill9(self):
        self._end(signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def is_ready(self):
        """Its /minio/health/ready says yes before it takes a request."""
        with contextlib.suppress(OSError, Refused):
            return bool(self.request("GET", "/"))
        return False

    def remove(self):
        if self.is_running:
            self.kill9()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None or not issubclass(kind, Exception):  # done, or interrupted
            self.remove()
            return
        if self.is_running:
            self.stop()
        print(f"kept the server's directory: {self.directory}", file=sys.stderr)

    # ---- what is in it ---------------------------------------------------------------------

    def make_bucket(self, bucket):
        self.request("PUT", f"/{bucket}")

    def objects(self, bucket, prefix=""):
        """Size by key."""
        return {entry.findtext("{*}Key"): int(entry.findtext("{*}Size"))
                for page in self._pages(bucket, prefix) for entry in page.iterfind("{*}Contents")}

    def read(self, bucket, key):
        return self.request("GET", f"/{bucket}/{key}")

    def put(self, bucket, key, body=b""):
        self.request("PUT", f"/{bucket}/{key}", body=body)

    def delete(self, bucket, key):
        self.request("DELETE", f"/{bucket}/{key}")

    def mc(self, *arguments):
        """MinIO's own client, in which this server is called `s`; its output."""
        host = self.url.replace("://", f"://{self.access_key}:{self.secret_key}@")
        environment = dict(os.environ, MC_HOST_s=host, MC_CONFIG_DIR=str(self.directory / "mc"))
        return subprocess.run([str(BIN / "mc"), "--quiet", "--insecure", *map(str, arguments)],
                              check=True, stdout=subprocess.PIPE, env=environment).stdout.decode()

    def add_user(self, access_key, secret_key, policy):
        """A user who may do what MinIO's policy of that name allows, such as "readonly"."""
        self.mc("admin", "user", "add", "s", access_key, secret_key)
        self.mc("admin", "policy", "attach", "s", policy, "--user", access_key)

    # ---- requests --------------------------------------------------------------------------

    def request(self, method, path, parameters=None, body=b""):
        """Signed by AWS's signature version 4; the answer's body."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path = urllib.parse.quote(path)
        query = "&".join(f"{quoted(name)}={quoted(value)}"
                         for name, value in sorted((parameters or {}).items()))
        headers = {"host": f"127.0.0.1:{self.port}",
                   "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": now}
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = "\n".join([method, path, query, lines, names, headers["x-amz-content-sha256"]])
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
                                    f"SignedHeaders={names}, Signature={signature}")
        url = f"{self.url}{path}" + (f"?{query}" if query else "")
        status, answer = self._open(urllib.request.Request(
            url, data=body if method in ("PUT", "POST") else None, headers=headers,
            method=method))
        if not 200 <= status < 300:
            raise Refused(status, answer)
        return answer

    # ---- inside ----------------------------------------------------------------------------

    def _pages(self, bucket, prefix):
        parameters = {"list-type": "2", "prefix": prefix}
        while True:
            page = xml.etree.ElementTree.fromstring(
                self.request("GET", f"/{bucket}", parameters))
            yield page
            if page.findtext("{*}IsTruncated") != "true":
                return
            parameters["continuation-token"] = page.findtext("{*}NextContinuationToken")

    def _open(self, request):
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _end(self, number):
        if self.is_running:
            self.process.send_signal(number)
            self.process.wait(START_SECONDS)
        self.process = None

    def _make_certificate(self):
        file = self.certificates / "public.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-keyout",
                        str(self.certificates / "private.key"), "-out", str(file), "-subj",
                        "/CN=walberg tests", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, stderr=subprocess.DEVNULL)
        return file

    def _place_program(self):
        """Where the server's user can reach it: the cache may lie in a home that is closed."""
        self.program = BIN / "minio"
        if os.geteuid() != 0:
            return
        self.program = self.directory / "minio"
        try:
            os.link((BIN / "minio").resolve(), self.program)
        except OSError:
            shutil.copy(BIN / "minio", self.program)
        self.directory.chmod(0o755)
        subprocess.run(["chown", "-R", f"{USER}:{GROUP}", str(self.data),
                        str(self.certificates)], check=True)

    @staticmethod
    def _as_user():
        return ({"user": USER, "group": GROUP, "extra_groups": []} if os.geteuid() == 0 else {})


def quoted(text):
    return urllib.parse.quote(text, safe="")
