"""walberg's container without an engine: its entry point, and in the long form the Dockerfile's steps, in
Debian 12 as debootstrap makes it, which takes ten minutes."""

import contextlib
import os
import pathlib
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import IS_LONG
from support import postgres, walberg as support
from support.deployment import ROOT
from support.dockerfile import Images, parse
from support.walberg import wait_until

USER = 10001


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


def settings_of(server, directory):
    return {"POSTGRES_URL": f"jdbc:{server.url}", "WALBERG_LAKE_DIRECTORY": f"{directory}/lake",
            "WALBERG_HTTP_LISTEN": f"127.0.0.1:{postgres.free_port()}"}


def check_that_it_serves(process, settings, directory):
    """It speaks TLS, and shows all but its health to whoever has the token alone."""
    address = f"https://{settings['WALBERG_HTTP_LISTEN']}"
    try:
        wait_until(lambda: process.poll() is not None or answers(f"{address}/healthz"),
                   "walberg does not answer")
        assert process.poll() is None
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(f"{address}/metrics")
        assert "walberg_" in get(f"{address}/metrics", (directory / "token").read_text().strip())
        for name in ["token", "key.pem"]:
            assert (directory / name).stat().st_mode & 0o077 == 0
    finally:
        process.terminate()
        text = process.communicate(timeout=60)[0]
    assert process.returncode == 0, text


def test_the_dockerfile_has_the_stages_that_docker_compose_builds():
    stages = parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert {"minio", "flink", "walberg"} <= set(stages)
    assert all(stages[name][0][1].startswith("debian:") for name in ["minio", "walberg"])


def test_the_entry_point_makes_a_token_and_a_certificate_once(server, tmp_path):
    (tmp_path / "walberg").symlink_to(pathlib.Path(support.PROGRAM).resolve())
    settings = settings_of(server, tmp_path)
    secrets = []
    for _ in range(2):
        process = subprocess.Popen(
            [ROOT / "deploy/walberg-entrypoint", "run"], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **settings})
        check_that_it_serves(process, settings, tmp_path)
        secrets.append([(tmp_path / name).read_text() for name in ["token", "certificate.pem"]])
    assert secrets[0] == secrets[1]


if IS_LONG:
    @pytest.mark.timeout(7200)
    def test_walberg_is_built_and_runs_as_in_its_container(server):
        assert os.geteuid() == 0, "debootstrap and chroot want root"
        with Images(ROOT / "Dockerfile") as images:
            images.build("walberg")
            assert "walberg 0." in images.run("walberg", "walberg --version", user=USER)
            home = "/var/lib/walberg"
            settings = settings_of(server, home)
            process = images.start("walberg", "walberg-entrypoint run", home, USER, **settings)
            check_that_it_serves(process, settings, images.root("walberg") / home[1:])
