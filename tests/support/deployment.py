"""The stack of deploy/stack, in a directory and on ports of its own.

    with Deployment() as deployment:
        deployment.make("up")
        deployment.shell(block)         # of a document, in which .stack is the deployment's
        deployment.addresses["POSTGRES_URL"]
"""

import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

from support.postgres import free_port
from support.project import ROOT, clean_environment

PORTS = ["POSTGRES", "KAFKA", "FLINK", "GATEWAY", "MINIO", "CONSOLE", "WALBERG", "CONTROLLER", "RPC"]
COMMAND_SECONDS = 280


class Deployment:
    def __init__(self):
        self.parent = pathlib.Path(tempfile.mkdtemp(prefix="walberg-stack-"))
        self.parent.chmod(0o755)
        self.directory = self.parent / "stack"
        # Java's quick compiler alone: what is run here is over before the better one pays.
        self.environment = dict(clean_environment(), FORM="native", STACK_DIR=str(self.directory),
                                STACK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1",
                                **{f"STACK_{name}_PORT": str(free_port()) for name in PORTS})

    def run(self, *command, code=0, seconds=COMMAND_SECONDS, **environment):
        """What it writes, to standard error too; it must end with the code."""
        done = subprocess.run([str(part) for part in command], check=False, cwd=ROOT, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds,
                              env=dict(self.environment, **environment))
        assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def start(self, *command, **environment):
        """The process, whose output is a pipe."""
        return subprocess.Popen([str(part) for part in command], cwd=ROOT, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, start_new_session=True,
                                env=dict(self.environment, **environment))

    def make(self, *targets, **options):
        return self.run("make", *targets, **options)

    def stack(self, *arguments, **options):
        return self.run("deploy/stack", *arguments, **options)

    def shell(self, block):
        """Runs lines of a document, which must all succeed."""
        text = block.replace(".stack/", f"{self.directory}/")
        return self.run("bash", "-euo", "pipefail", "-c", text)

    @property
    def addresses(self):
        words = shlex.split((self.directory / "env").read_text(encoding="utf-8"))
        return dict(word.split("=", 1) for word in words)

    def pid(self, service):
        return int((self.directory / "run" / service).read_text(encoding="ascii").split()[0])

    def states(self):
        """{service: (state, memory in MB)}, as ps shows them; it fails when one is not well."""
        done = subprocess.run(["deploy/stack", "ps"], cwd=ROOT, env=self.environment, check=False,
                              capture_output=True, text=True, timeout=COMMAND_SECONDS)
        found = re.findall(r"^(\S+) +(\w[\w ]*?) +(?:\d+|-) +(\d+) MB", done.stdout, re.MULTILINE)
        return {name: (state, int(memory)) for name, state, memory in found}, done.returncode

    def remove(self):
        self.run("deploy/stack", "clean", code=0)
        shutil.rmtree(self.parent, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()
