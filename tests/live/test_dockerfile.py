"""The Dockerfile's steps for walberg, in Debian 12 as debootstrap makes it: in the long form alone, for
they take ten minutes."""

import contextlib
import os
import ssl
import urllib.error
import urllib.request

import pytest

from conftest import IS_LONG
from support import postgres
from support.deployment import ROOT
from support.dockerfile import Images, parse
from support.walberg import wait_until

USER = 10001


def test_the_dockerfile_has_the_stages_that_docker_compose_builds():
    stages = parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert {"minio", "flink", "walberg"} <= set(stages)
    assert all(stages[name][0][1].startswith("debian:") for name in ["minio", "walberg"])


def get(url, token=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"}
                                     if token else {})
    context = ssl._create_unverified_context()  # pylint: disable=protected-access
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        return answer.read().decode()


def answers(url):
    with contextlib.suppress(OSError):
        return get(url)
    return None


if IS_LONG:
    @pytest.mark.timeout(7200)
    def test_walberg_is_built_and_runs_as_in_its_container(server):
        assert os.geteuid() == 0, "debootstrap and chroot want root"
        with Images(ROOT / "Dockerfile") as images:
            images.build("walberg")
            assert "walberg 0." in images.run("walberg", "walberg --version", user=USER)
            port = postgres.free_port()
            settings = {"POSTGRES_URL": f"jdbc:{server.url}", "HOME": "/var/lib/walberg",
                        "WALBERG_LAKE_DIRECTORY": "/var/lib/walberg/lake",
                        "WALBERG_HTTP_LISTEN": f"127.0.0.1:{port}"}
            process = images.start("walberg", "walberg-entrypoint run", "/var/lib/walberg", USER,
                                   **settings)
            try:
                address = f"https://127.0.0.1:{port}"
                wait_until(lambda: answers(f"{address}/healthz"), "walberg does not answer")
                images.run("walberg", f"curl -fsk -o /dev/null {address}/healthz", user=USER)
                with pytest.raises(urllib.error.HTTPError, match="401"):
                    get(f"{address}/metrics")
                token = (images.root("walberg") / "var/lib/walberg/token").read_text().strip()
                assert "walberg_" in get(f"{address}/metrics", token)
            finally:
                process.terminate()
                text = process.communicate(timeout=60)[0]
            assert process.returncode == 0, text
