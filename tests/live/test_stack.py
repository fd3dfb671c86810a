"""The stack of deploy/stack, its make targets, docs/checks.md and docs/tutorial.md, line by line.

One stack serves all tests of this file, in their order: it is up from the first to the last.
"""

import contextlib
import os
import pathlib
import re
import signal
import time
import xml.etree.ElementTree

import pytest

from support.deployment import ROOT, Deployment
from support.walberg import wait_until

SERVICES = ["postgres", "kafka", "minio", "jobmanager", "taskmanager", "sql-gateway", "walberg"]
MEMORY_MB_MAX = 5 * 1024
UP_SECONDS_MAX = 60
LOOPBACK = ["0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"]
TARGETS = ["build", "up", "down", "ps", "logs", "restart", "init-minio", "verify-cdc", "test-cdc",
           "monitor-kafka", "sample-data", "clean", "help"]


@pytest.fixture(scope="module")
def deployment():
    with Deployment() as running:
        running.make("build")
        running.make("up")
        running.make("sample-data")
        yield running


def sections(name):
    """{heading: its shell blocks} of a document; those before the first heading are "" and come
    before every other."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    blocks = ["".join(re.findall(r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL))
              for part in parts[::2]]
    assert text.count("```") == 2 * text.count("```sh\n"), "a block of another kind is not run"
    return dict(zip(["", *parts[1::2]], blocks))


def kill(deployment, service):
    pid = deployment.pid(service)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}/exe").exists(), f"{service} is not dead")


# ---- the stack as a whole ----------------------------------------------------------------------

def test_everything_answers_and_stays_within_five_gigabytes(deployment):
    states, code = deployment.states()
    assert code == 0
    assert [(name, states[name][0]) for name in SERVICES] == [(name, "running")
                                                              for name in SERVICES]
    assert 0 < sum(memory for _, memory in states.values()) < MEMORY_MB_MAX


def test_up_again_changes_nothing(deployment):
    before = [deployment.pid(name) for name in SERVICES]
    deployment.make("up")
    assert [deployment.pid(name) for name in SERVICES] == before


def test_the_servers_run_as_an_unprivileged_user(deployment):
    for name in SERVICES:
        assert os.stat(f"/proc/{deployment.pid(name)}").st_uid != 0


def listening_addresses(pid):
    """Of the process, as /proc writes them: hexadecimal."""
    owned = set()
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            owned.add(os.readlink(descriptor))
    for table in ["tcp", "tcp6"]:
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in owned:
                yield fields[1].split(":")[0]


def test_nothing_listens_beyond_the_loopback(deployment):
    found = [(name, address) for name in SERVICES
             for address in listening_addresses(deployment.pid(name))]
    assert {name for name, _ in found} == set(SERVICES)
    assert not [entry for entry in found if entry[1] not in LOOPBACK]


def test_the_help_names_every_target(deployment):
    text = deployment.make("help")
    assert not [target for target in TARGETS if f"make {target} " not in text]


def test_a_service_that_died_is_shown_and_can_be_restarted(deployment):
    kill(deployment, "sql-gateway")
    assert "a service has died" in deployment.make("ps", code=2)
    deployment.make("restart-sql-gateway")
    deployment.make("ps")


def test_logs_are_shown_of_all_and_of_one(deployment):
    assert "walberg.log" in deployment.make("logs")
    assert "capturing" in deployment.make("logs-walberg")
    assert 'no service "zookeeper"' in deployment.make("logs-zookeeper", code=2)


# ---- its targets -------------------------------------------------------------------------------

def test_the_buckets_are_made(deployment):
    text = deployment.make("init-minio")
    assert "warehouse/" in text and "staging/" in text


def test_the_sample_data_may_be_loaded_again(deployment):
    assert "3 customers, 3 orders" in deployment.make("sample-data")
    assert "3 customers, 3 orders" in deployment.make("sample-data")


def test_verify_cdc_finds_all_well_and_says_what_is_not(deployment):
    assert "wrong" not in deployment.make("verify-cdc")
    kill(deployment, "walberg")
    try:
        wait_until(lambda: " is not in use" in deployment.run("scripts/verify-cdc.sh", code=1),
                   "the slot of a killed walberg is in use")
        assert "hint: Start walberg" in deployment.run("scripts/verify-cdc.sh", code=1)
        text = deployment.run("scripts/test-cdc", code=1, TEST_CDC_SECONDS="1")
        assert "the insert has not reached the lake" in text
    finally:
        deployment.make("restart-walberg")
    deployment.make("verify-cdc")


def test_test_cdc_shows_three_changes_arriving(deployment):
    text = deployment.make("test-cdc")
    assert "the insert is in the lake: 测试用户" in text
    assert "the update is in the lake: 更新用户" in text
    assert "the delete is in the lake: no such customer" in text


def test_monitor_kafka_shows_changes_as_they_come(deployment):
    monitor = deployment.start("make", "monitor-kafka")
    try:
        # It begins with what comes after its start, which it does not tell.
        changes = deployment.start("bash", "-c", f". {deployment.directory}/env && "
                                   "export PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE && while psql -qc "
                                   "\"UPDATE customers SET name = name WHERE name = '张三'\"; "
                                   "do sleep 0.2; done")
        try:
            line = monitor.stdout.readline()
            assert "public.customers update" in line and "zhangsan@example.com" in line
        finally:
            os.killpg(changes.pid, signal.SIGTERM)
            changes.communicate()
    finally:
        os.killpg(monitor.pid, signal.SIGINT)
        monitor.communicate(timeout=60)


# ---- the documents -----------------------------------------------------------------------------

CHECKS = sections("checks.md")
TUTORIAL = sections("tutorial.md")


@pytest.mark.parametrize("name", [name for name in CHECKS if name])
def test_every_check_passes(deployment, name):
    assert CHECKS[name]
    deployment.shell(CHECKS[""] + CHECKS[name])


def test_a_check_notices_a_dead_component(deployment):
    kill(deployment, "sql-gateway")
    with pytest.raises(AssertionError, match="ended with"):
        deployment.shell(CHECKS[""] + CHECKS["Flink"])
    deployment.make("restart-sql-gateway")


def test_the_documents_link_to_what_exists_and_the_picture_is_one():
    for name in ["README.md", "docs/tutorial.md", "docs/checks.md"]:
        text = (ROOT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / name).parent.joinpath(link).exists(), f"{name}: {link}"
    root = xml.etree.ElementTree.parse(ROOT / "docs/architecture.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_the_tutorial_has_five_steps():
    assert [name[:2] for name in TUTORIAL if name] == ["1.", "2.", "3.", "4.", "5."]


@pytest.mark.parametrize("step", [name for name in TUTORIAL if name])
def test_every_step_of_the_tutorial_passes(deployment, step):
    addresses = f"set -a; . {deployment.directory}/env; set +a\n"
    deployment.shell(addresses + TUTORIAL[step])


# ---- what is refused ---------------------------------------------------------------------------

@pytest.mark.parametrize("stack", ["deploy/stack", "deploy/containers"])
def test_an_unknown_version_is_refused_with_what_is_known(deployment, stack):
    text = deployment.run(stack, "up", code=1, JAVA_VERSION="8")
    assert 'JAVA_VERSION "8" is not a version that the stack knows' in text
    assert "hint: Set JAVA_VERSION=17 in .env" in text


def test_a_stack_that_is_up_is_not_moved(deployment):
    text = deployment.stack("up", code=1, STACK_KAFKA_PORT="1234")
    assert "the stack is up with STACK_KAFKA_PORT=" in text and "Take it down first" in text


def test_a_port_of_somebody_else_is_told(deployment):
    other = Deployment()
    taken = deployment.environment["STACK_KAFKA_PORT"]
    try:
        text = other.stack("up", "kafka", code=1, STACK_KAFKA_PORT=taken)
        assert f"port {taken} of kafka is in use by another program" in text
        assert "STACK_PORT_BASE" in text
    finally:
        other.remove()


def test_secrets_may_be_of_any_characters():
    secret = "a b$HOME;touch `echo c`$(echo d)'e\"f\\g&|<h>*?#"
    other = Deployment()
    other.environment.update(POSTGRES_PASSWORD=secret, MINIO_SECRET_KEY=secret)
    try:
        other.stack("up", "postgres", "minio")
        assert other.addresses["PGPASSWORD"] == other.addresses["MINIO_SECRET_KEY"] == secret
        assert "1" in other.run("bash", "-euc", "export STACK=deploy/stack; . scripts/addresses.sh; "
                                "psql_ -c 'SELECT 1'; \"$STACK\" mc ls stack")
        catalog = (other.directory / "catalog.sql").read_text(encoding="utf-8")
        assert catalog.count("'" + secret.replace("'", "''") + "'") == 2
    finally:
        other.remove()


def test_a_service_that_does_not_stop_is_killed_once():
    other = Deployment()
    try:
        other.stack("up", "minio")
        os.kill(other.pid("minio"), signal.SIGSTOP)
        text = other.stack("down", STACK_WAIT_SECONDS="1")
        assert text.count("minio does not stop, and is killed") == 1
        assert other.states()[0]["minio"][0] == "stopped"
    finally:
        other.remove()


def test_without_a_stack_the_scripts_say_how_to_start_one():
    other = Deployment()
    for script in ["scripts/verify-cdc.sh", "scripts/sample-data", "scripts/test-cdc"]:
        assert "the stack is not up" in other.run(script, code=1)
    other.remove()


# ---- the end -----------------------------------------------------------------------------------

def test_a_restart_takes_less_than_a_minute_and_keeps_the_data(deployment):
    started = time.monotonic()
    deployment.make("restart")
    assert time.monotonic() - started < UP_SECONDS_MAX
    deployment.make("verify-cdc")
    assert "3 customers" in deployment.make("sample-data")


def test_clean_removes_what_the_stack_made_and_nothing_else(deployment, tmp_path):
    """In a tree beside the project's own, whose build/ others still use."""
    for name in ["Makefile", "deploy", "tools", ".env"]:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "build").mkdir()
    (tmp_path / "lake").mkdir()
    deployment.make("down")
    assert {state for state, _ in deployment.states()[0].values()} == {"stopped"}
    strange = deployment.directory / "mine"
    strange.write_text("kept")
    assert "files that are not the stack's" in deployment.make("-C", tmp_path, "clean", code=2)
    assert list(deployment.directory.iterdir()) == [strange]
    strange.unlink()
    deployment.make("-C", tmp_path, "clean")
    assert not deployment.directory.exists() and not (tmp_path / "build").exists()
    assert (tmp_path / "lake").exists()
