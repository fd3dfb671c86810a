"""Runs the steps of a Dockerfile in directories that debootstrap fills, where no container engine is.

    with Images(ROOT / "Dockerfile") as images:
        images.build("walberg")
        images.run("walberg", "walberg --version", user=10001)

It knows the instructions FROM, WORKDIR, COPY, RUN and USER, with the context that Git knows.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

STEP_SECONDS = 3600
# How this machine reaches its registries; what such a file of the container says is replaced.
OF_THIS_MACHINE = ["/etc/resolv.conf", "/etc/hosts"]
CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


def parse(text):
    """{stage: [(instruction, its text)]}"""
    found = {}
    joined = re.sub(r"\\\n", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    for line in filter(None, map(str.strip, joined.splitlines())):
        instruction, rest = line.split(None, 1)
        if instruction == "FROM":
            image, _, stage = rest.partition(" AS ")
            steps = found[stage] = [("FROM", image)]
        elif found:
            steps.append((instruction, rest))
    return found


class Images:
    def __init__(self, path):
        self.context = path.parent
        self.stages = parse(path.read_text(encoding="utf-8"))
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="walberg-images-", dir="/var/tmp"))
        self.directory.chmod(0o755)
        self.mounted = []

    def __enter__(self):
        self._command("debootstrap", "--variant=minbase", "bookworm", self.base, self._mirror())
        for path in OF_THIS_MACHINE:
            shutil.copy(path, self.base / path[1:])
        shutil.rmtree(self.base / "etc/apt")
        shutil.copytree("/etc/apt", self.base / "etc/apt")
        shutil.copy(CERTIFICATES, self.base / "certificates.pem")
        return self

    def __exit__(self, *_):
        for path in reversed(self.mounted):
            self._command("umount", path)
        shutil.rmtree(self.directory)

    @property
    def base(self):
        return self.directory / "base"

    def root(self, stage):
        return self.directory / f"stage-{stage}"

    def build(self, stage):
        """With the stages that it copies from."""
        if self.root(stage).exists():
            return
        assert self.stages[stage][0][1].startswith("debian:bookworm-")
        self._command("cp", "-a", self.base, self.root(stage))
        self.mounted.append(self.root(stage) / "proc")
        self._command("mount", "-t", "proc", "proc", self.mounted[-1])
        folder = "/"
        for instruction, text in self.stages[stage][1:]:
            if instruction == "WORKDIR":
                folder = text
                (self.root(stage) / folder[1:]).mkdir(parents=True, exist_ok=True)
            elif instruction == "RUN":
                self.run(stage, text, folder)
            elif instruction == "COPY":
                self._copy(stage, folder, *text.split())

    def run(self, stage, text, folder="/", user=0, seconds=STEP_SECONDS, **environment):
        return self._command(*self.command(stage, text, folder, user), seconds=seconds,
                             env=self._environment(environment))

    def start(self, stage, text, folder="/", user=0, **environment):
        return subprocess.Popen(self.command(stage, text, folder, user), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=self._environment(environment))

    def command(self, stage, text, folder, user):
        return ["chroot", f"--userspec={user}:{user}", str(self.root(stage)), "/bin/sh", "-c",
                f"cd {folder} && exec {text}" if user else f"cd {folder} && {text}"]

    def _environment(self, more):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root", "npm_config_cafile": "/certificates.pem",
                "NODE_EXTRA_CA_CERTS": "/certificates.pem", **more}

    def _copy(self, stage, folder, *names):
        target = self.root(stage) / os.path.join(folder, names[-1])[1:]
        if names[0].startswith("--from="):
            other = names[0].removeprefix("--from=")
            self.build(other)
            assert names[-1] == "/" and len(names) == 3
            self._command("cp", "-a", f"{self.root(other)}{names[1]}.", self.root(stage))
            return
        for name in names[:-1]:
            for path in self._files(name):
                is_folder = (self.context / name).is_dir()
                place = target / (path.relative_to(name) if is_folder else path.name)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.context / path, place)

    def _files(self, name):
        listed = self._command("git", "ls-files", "-co", "--exclude-standard", "--", name)
        return [pathlib.Path(line) for line in listed.splitlines()
                if (self.context / line).is_file()]

    def _mirror(self):
        sites = self._command("apt-get", "indextargets", "--format", "$(REPO_URI)",
                              "Created-By: Packages", "Codename: bookworm")
        return sites.splitlines()[0]

    def _command(self, *command, seconds=STEP_SECONDS, env=None):
        done = subprocess.run([str(part) for part in command], check=False, cwd=self.context,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=seconds, env=env)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-5000:]}"
        return done.stdout
