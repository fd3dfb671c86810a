"""The stack in containers: its files are checked, and compared with the native stack.  No container
engine is needed; where one answers, `make up FORM=docker` tries it."""

import os
import re
import subprocess
import sys

import pytest

from support.project import ROOT, clean_environment, versions

SERVICES = ["postgres", "kafka", "minio", "jobmanager", "taskmanager", "sql-gateway", "walberg"]
VARIABLES = {
    "KAFKA_GROUP": "data_lake_group", "KAFKA_TOPIC": "postgresql_cdc", "KAFKA_URL": "kafka:9092",
    "FLINK_VERSION": "1.20.3", "JAVA_VERSION": "17",
    "POSTGRES_URL": "jdbc:postgresql://postgres:5432/postgres",
    "JDBC_BASE_URL": "jdbc:postgresql://postgres:5432", "POSTGRES_USER": "postgres",
    "POSTGRES_PASSWORD": "postgres", "POSTGRES_DB": "postgres", "MINIO_ACCESS_KEY": "minioadmin",
    "MINIO_SECRET_KEY": "minioadmin",
}
# The port of each address in .stack/env, and the service that publishes it.
PORTS = {
    "POSTGRES_URL": ("postgres", 5432), "KAFKA_URL": ("kafka", 9092),
    "FLINK_URL": ("jobmanager", 8081), "SQL_GATEWAY_URL": ("sql-gateway", 8083),
    "MINIO_URL": ("minio", 9000), "MINIO_CONSOLE_URL": ("minio", 9001),
    "LAKE_URL": ("walberg", 8080),
}


def output(*command, **environment):
    done = subprocess.run([str(part) for part in command], check=False, cwd=ROOT, text=True,
                          capture_output=True, timeout=120,
                          env=dict(clean_environment(), **environment))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dockerfile():
    return (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compose():
    """docker-compose.yml, as Docker Compose understands it."""
    import yaml
    return yaml.safe_load(output("docker-compose", "config"))


# ---- the same stack ----------------------------------------------------------------------------

def test_the_services_are_those_of_the_native_stack(compose):
    native = re.search(r'^SERVICES="(.*)"', (ROOT / "deploy/settings.sh").read_text(), re.M)
    assert sorted(compose["services"]) == sorted(native.group(1).split()) == sorted(SERVICES)


def test_the_buckets_are_those_of_the_native_stack(compose):
    native = re.search(r'^BUCKETS="(.*)"', (ROOT / "deploy/settings.sh").read_text(), re.M)
    made = compose["services"]["minio"]["environment"]["BUCKETS"].split()
    assert made == [f"stack/{name}" for name in native.group(1).split()]


def test_a_bucket_that_is_missing_makes_minio_unhealthy_and_is_made_once(compose, tmp_path):
    asked, flag = tmp_path / "asked", tmp_path / "buckets"
    program = tmp_path / "mc"
    program.write_text(f'#!/bin/sh\necho "$*" >>{asked}; [ "$1" = ready ] || [ -e {tmp_path}/yes ]')
    program.chmod(0o755)
    test = compose["services"]["minio"]["healthcheck"]["test"]
    command = (test if isinstance(test, str) else test[-1]).replace("$$", "$")
    command = command.replace("/tmp/buckets", str(flag))

    def is_healthy():
        return subprocess.run(["sh", "-c", command], check=False, timeout=60, env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}", "BUCKETS": "stack/a stack/b"},
            ).returncode == 0
    assert not is_healthy()
    (tmp_path / "yes").write_text("")
    assert is_healthy() and is_healthy()
    assert asked.read_text().splitlines() == [
        "ready --quiet stack", "mb --quiet --ignore-existing stack/a stack/b",
        "ready --quiet stack", "mb --quiet --ignore-existing stack/a stack/b",
        "ready --quiet stack"]


def test_every_service_is_pinned_has_a_health_check_and_waits_for_what_it_needs(compose):
    for name, service in compose["services"].items():
        image = service["image"]
        assert "build" in service or re.search(r":\d+\.\d+", image), image
        assert "latest" not in image
        if name != "walberg":  # its image has one
            assert service["healthcheck"]["test"]
        for needed in service.get("depends_on", {}).values():
            assert needed["condition"] == "service_healthy"
    assert set(compose["services"]["walberg"]["depends_on"]) == {"postgres", "minio"}
    assert re.search(r"^HEALTHCHECK .*\n\s*CMD", dockerfile(), re.MULTILINE)


def test_the_versions_are_those_of_the_native_stack(compose):
    table = versions()
    services = compose["services"]
    assert services["postgres"]["image"] == table["POSTGRES_IMAGE"]
    assert table["POSTGRES_IMAGE"].startswith(f"postgres:{table['POSTGRES_VERSION']}.")
    assert services["kafka"]["image"] == table["KAFKA_IMAGE"]
    assert table["KAFKA_IMAGE"] == f"apache/kafka:{table['KAFKA_VERSION']}"
    for name in ["jobmanager", "taskmanager", "sql-gateway"]:
        assert services[name]["build"]["args"] == {"FLINK_VERSION": table["FLINK_VERSIONS"],
                                                   "JAVA_VERSION": table["JAVA_VERSIONS"]}
    text = dockerfile()
    assert f"ARG FLINK_VERSION={table['FLINK_VERSIONS']}\n" in text
    assert f"ARG JAVA_VERSION={table['JAVA_VERSIONS']}\n" in text
    assert ("FROM flink:${FLINK_VERSION}-scala_" + table["FLINK_SCALA_VERSION"]
            + "-java${JAVA_VERSION} AS flink") in text
    assert set(re.findall(r"^FROM (debian:\S+)", text, re.MULTILINE)) == {table["DEBIAN_IMAGE"]}
    assert set(re.findall(r"^FROM (golang:\S+)", text, re.MULTILINE)) == {table["GO_IMAGE"]}
    assert table["GO_IMAGE"] == f"golang:{table['GO_VERSION']}-bookworm"
    assert '"$MINIO_MODULE"' in text and '"$MC_MODULE"' in text


def test_the_installed_postgresql_is_the_one_of_the_table():
    binary = f"/usr/lib/postgresql/{versions()['POSTGRES_VERSION']}/bin/postgres"
    assert f") {versions()['POSTGRES_VERSION']}." in output(binary, "--version")


def test_the_variables_have_their_usual_names_and_defaults():
    text = (ROOT / ".env").read_text(encoding="utf-8")
    assert dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)) == VARIABLES


def test_walberg_reads_the_variables_as_they_are(compose, tmp_path):
    program = os.environ.get("WALBERG", ROOT / "build/walberg")
    (tmp_path / ".env").write_text((ROOT / ".env").read_text())
    done = subprocess.run([program, "status", "--set", f"lake.directory={tmp_path}/lake"],
                          check=False, cwd=tmp_path, env=clean_environment(), text=True,
                          capture_output=True, timeout=60)
    assert 'could not translate host name "postgres"' in done.stderr
    environment = compose["services"]["walberg"]["environment"]
    assert {name: environment[name] for name in VARIABLES} == VARIABLES


@pytest.mark.parametrize("line, value", [
    ("WALBERG_LAKE_DIRECTORY=/x1/plain#one # a remark", "/x1/plain#one"),
    ("WALBERG_LAKE_DIRECTORY='/x1/single # \"quoted\"'  # a remark", '/x1/single # "quoted"'),
    ('WALBERG_LAKE_DIRECTORY="/x1/double # \'a\' \\"b\\""', "/x1/double # 'a' \"b\""),
    ('export WALBERG_LAKE_DIRECTORY="/x1/one\\\\two"', "/x1/one\\two"),
])
def test_a_line_of_the_variables_is_the_same_to_walberg_the_stack_and_compose(
        line, value, tmp_path):
    (tmp_path / ".env").write_text(f"{line}\nAWS_ENDPOINT_URL_S3='http://x'\n")
    program = os.environ.get("WALBERG", ROOT / "build/walberg")
    done = subprocess.run([program, "status"], check=False, cwd=tmp_path, text=True,
                          env=clean_environment(), capture_output=True, timeout=60)
    assert f'there is no lake in "{value}"' in done.stderr
    text = output("bash", "-euc", ". deploy/settings.sh; read_settings \"$1\"; "
                  'echo "$WALBERG_LAKE_DIRECTORY|$AWS_ENDPOINT_URL_S3"', "-", tmp_path / ".env",
                  state=str(tmp_path))
    assert text == f"{value}|http://x\n"
    (tmp_path / "docker-compose.yml").write_text(
        "services: {a: {image: x, environment: {V: '${WALBERG_LAKE_DIRECTORY}'}}}")
    import yaml
    config = yaml.safe_load(output("docker-compose", "--project-directory", tmp_path, "--file",
                                   tmp_path / "docker-compose.yml", "config"))
    assert config["services"]["a"]["environment"]["V"] == value


@pytest.mark.parametrize("command", ["up", "down", "clean"])
@pytest.mark.parametrize("stack", ["stack", "containers"])
def test_a_folder_of_somebody_else_is_left_as_it_is(stack, command, tmp_path):
    """Its names may be those of the stack's own."""
    names = ["postgres/postgresql.auto.conf", "lake/keep", "run/keep", "env", "catalog.sql"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("kept")
    done = subprocess.run([ROOT / "deploy" / stack, command, *["postgres"][:command == "up"]],
                          check=False, text=True, capture_output=True, timeout=60,
                          env=dict(clean_environment(), STACK_DIR=str(tmp_path),
                                   STACK_PORT_BASE="29470"))
    assert done.returncode == 1 and done.stderr.splitlines() == [
        f"error: {tmp_path} holds files that are not the stack's",
        " hint: Set STACK_DIR to a folder of its own.  If the stack did make this one, "
        f"run: touch {tmp_path}/.walberg-stack"]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        tmp_path / name for name in names)
    assert {(tmp_path / name).read_text() for name in names} == {"kept"}


def test_the_volumes_are_those_of_no_other_stack(tmp_path):
    """Compose takes the folder's name for the project's, unless it is told one."""
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$COMPOSE_PROJECT_NAME: $*" >>{tmp_path}/asked\n')
    docker.chmod(0o755)
    for name in ["stack", "other", "stack"]:
        output(ROOT / "deploy/containers", "clean", STACK_DIR=str(tmp_path / name),
               PATH=f"{tmp_path}:{os.environ['PATH']}")
    asked = [line.split(": ") for line in (tmp_path / "asked").read_text().splitlines()]
    projects = [name for name, command in asked if command == "compose down --volumes"]
    assert projects[0] == projects[2] != projects[1]
    assert all(re.fullmatch(r"walberg-\d+", name) for name in projects)


def test_the_ports_are_the_usual_ones_on_the_loopback_and_can_be_moved(compose):
    published = {(name, port) for name, service in compose["services"].items()
                 for port in service.get("ports", [])}
    expected = {(name, number) for name, number in PORTS.values()}
    assert {(name, int(str(port).split(":")[1])) for name, port in published} == expected
    assert all(str(port).startswith("127.0.0.1:") for _, port in published)
    moved = output("docker-compose", "config", STACK_KAFKA_PORT="19876")
    assert "127.0.0.1:19876:19092" in moved and "HOST://127.0.0.1:19876" in moved


def test_the_native_stack_has_the_same_ports():
    text = (ROOT / "deploy/settings.sh").read_text(encoding="utf-8")
    defaults = dict(re.findall(r"(\w+)=(\d+)", re.search(r'PORTS="([^"]*)"', text).group(1)))
    names = ["POSTGRES", "KAFKA", "FLINK", "GATEWAY", "MINIO", "CONSOLE", "WALBERG"]
    assert [int(defaults[name]) for name in names] == [port for _, port in PORTS.values()]


def test_no_file_names_the_host_of_a_registry():
    files = [ROOT / name for name in ["Dockerfile", "docker-compose.yml", ".env", "tools/setup"]]
    files += [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    for path in files:
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"https?://(?!127\.0\.0\.1|minio:|localhost|jobmanager:)[\w.-]+", text)
        assert not found, f"{path}: {found}"


@pytest.mark.parametrize("stack", ["stack", "containers"])
def test_an_unknown_version_of_flink_in_the_variables_is_an_error_of_the_stack(stack, tmp_path):
    for name in ["deploy", "tools"]:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".env").write_text("FLINK_VERSION=9.9.9\n")
    done = subprocess.run([tmp_path / "deploy" / stack, "up"], check=False, text=True,
                          env=clean_environment(), capture_output=True, timeout=60)
    assert done.returncode == 1 and done.stderr.splitlines() == [
        'error: FLINK_VERSION "9.9.9" is not a version that the stack knows',
        " hint: Set FLINK_VERSION=1.20.3 in .env; deploy/versions lists what belongs together."]


# ---- the Dockerfile ----------------------------------------------------------------------------

def test_hadolint_finds_nothing():
    output(os.path.join(os.path.dirname(sys.executable), "hadolint"), "Dockerfile")


def test_nothing_runs_as_root():
    users = re.findall(r"^(?:FROM .* AS (minio|flink|walberg)|USER (\d+))$", dockerfile(), re.M)
    assert [stage or "user" for stage, _ in users] == ["minio", "user", "flink", "user", "walberg",
                                                       "user"]
    assert "0" not in [user for _, user in users]


def test_the_image_has_every_library_that_walberg_asks_for():
    program = os.environ.get("WALBERG", str(ROOT / "build/walberg"))
    needed = re.findall(r"\(NEEDED\) .*\[(.*)\]", output("readelf", "-d", program))
    stage = dockerfile().split(" AS walberg\n")[1]
    installed = set(re.findall(r"install -y --no-install-recommends ((?:.|\\\n)*?) &&", stage)[0]
                    .replace("\\\n", " ").split())
    for library in set(needed) - {"libduckdb.so", "libc.so.6", "libm.so.6", "libgcc_s.so.1"}:
        owner = output("dpkg-query", "--search", f"*/{library}").split(":")[0]
        assert owner in installed, f"{library} is of {owner}"


# ---- the commands ------------------------------------------------------------------------------

def write_docker(folder, *lines):
    program = folder / "docker"
    program.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    program.chmod(0o755)


@pytest.fixture
def docker(tmp_path):
    """A container engine that notes what it is asked for."""
    write_docker(tmp_path, f'echo "$*" >>{tmp_path}/asked')

    def call(*command):
        (tmp_path / "asked").write_text("")
        text = output(*command, PATH=f"{tmp_path}:{os.environ['PATH']}",
                      STACK_DIR=str(tmp_path / "stack"))
        asked = (tmp_path / "asked").read_text().splitlines()
        return text, [line for line in asked if line != "compose version"]
    return call


def test_an_engine_that_answers_makes_containers_the_default_form(docker):
    assert docker("make", "ps")[1] == ["info", "compose ps"]


def test_without_an_engine_the_default_form_is_native(tmp_path):
    write_docker(tmp_path, "exit 1")
    text = output("make", "-n", "ps", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert text.strip() == "deploy/stack ps"


def test_each_target_becomes_a_command_of_docker_compose(docker, tmp_path):
    for target, asked in [
            ("build", "compose build"), ("up", "compose up --detach --wait"),
            ("ps", "compose ps"), ("logs", "compose logs --tail 100"),
            ("logs-kafka", "compose logs --tail 100 kafka"),
            ("restart-kafka", "compose restart kafka"),
            ("monitor-kafka", "compose exec -T walberg walberg log --follow"),
            ("init-minio", "compose exec -T minio mc ls stack"),
            ("down", "compose down")]:
        assert asked in docker("make", target, "FORM=docker")[1]
    docker("make", "up", "FORM=docker")
    addresses = (tmp_path / "stack/env").read_text()
    assert "LAKE_URL=https://127.0.0.1:8080" in addresses
    assert "FLINK_CATALOG_URL=jdbc:postgresql://postgres:5432/lake_catalog" in addresses
    asked = docker("deploy/containers", "clean")[1]
    assert "compose down --volumes" in asked and not (tmp_path / "stack").exists()


def test_the_form_that_is_up_is_the_default_and_the_other_is_refused(docker, tmp_path):
    docker("make", "up", "FORM=docker")
    assert docker("make", "ps")[1] == ["compose ps"]
    assert docker("scripts/monitor-kafka.sh")[1] == ["compose exec -T walberg walberg log --follow"]
    done = subprocess.run(["deploy/stack", "down"], cwd=ROOT, check=False, text=True,
                          env=dict(clean_environment(), STACK_DIR=str(tmp_path / "stack")),
                          capture_output=True, timeout=60)
    assert done.returncode == 1 and done.stderr.splitlines() == [
        "error: the stack is up in its other form",
        " hint: make FORM=docker down takes it down."]
    docker("make", "down")
    write_docker(tmp_path, "exit 1")
    text = output("make", "-n", "ps", PATH=f"{tmp_path}:{os.environ['PATH']}",
                  STACK_DIR=str(tmp_path / "stack"))
    assert text.strip() == "deploy/stack ps"


def test_a_form_that_does_not_exist_is_refused():
    done = subprocess.run(["make", "ps", "FORM=swarm"], cwd=ROOT, check=False, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode != 0 and "neither native nor docker" in done.stderr
