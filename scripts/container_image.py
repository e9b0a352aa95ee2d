"""Builds the service's image, runs it, and says how large it is and how quickly it starts.

    python -m scripts.container_image [--keep TAG]

Needs buildah, and nothing of a container engine: the image is started as process 1 of its own PID
namespace, in its own file tree, as its own user, from what its configuration says, with nothing but
Python in it. The base image is pulled, or made by `scripts/base_image`.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.service_process import ROOT

BUILD_DEADLINE_S = 300.0
START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 20.0
FIRST_LOOK = {"ALLOW_ANONYMOUS": "1", "OPENAI_API_KEY": "none", "EVENTS_URL": "off:"}
"""Settings with which the service starts and reaches nobody."""


class ImageFailed(Exception):
    """The image could not be built or did not start; the message says what was said."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Compressed sizes, as a registry stores and a machine pulls them."""

    base_bytes: int
    ours_bytes: int

    @property
    def total_bytes(self) -> int:
        """What a machine pulls that has nothing yet."""
        return self.base_bytes + self.ours_bytes


def hindrance() -> str:
    """Return why no image can be built and run here, and what to do; empty when it can."""
    if shutil.which("buildah") is None:
        return "buildah is missing (Debian: apt-get install buildah debootstrap)"
    if os.geteuid() != 0:
        return "running an image without a container engine needs root"
    found = _buildah("images", "--quiet", "--filter", f"reference={base_name()}")
    if not found:
        return (
            f"the base image {base_name()} is not here: buildah pull {base_name()}, or "
            "./scripts/base_image where no registry can be reached"
        )
    return ""


def base_name() -> str:
    """Return the image that the Dockerfile begins from."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.startswith("FROM ")][-1]


def build(tag: str) -> None:
    """Build the image from the Dockerfile as it stands.

    Raises:
        ImageFailed: a step failed.
    """
    _buildah(
        "bud", "--isolation", "chroot", "--pull-never", "--layers=false", "--tag", tag, str(ROOT),
        deadline_s=BUILD_DEADLINE_S,
    )  # fmt: skip


def remove(tag: str) -> None:
    """Remove the image."""
    _buildah("rmi", "--force", tag)


def config_of(tag: str) -> dict[str, Any]:
    """Return what the image says of itself: user, entry point, environment."""
    config: dict[str, Any] = json.loads(_buildah("inspect", "--type", "image", tag))["OCIv1"]
    return dict(config["config"])


def layers_of(tag: str) -> Layers:
    """Return how much is pulled; the last layer is ours, those below are the base's."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        _buildah("push", tag, f"oci-archive:{archive}")
        with tarfile.open(archive) as tar:
            index = _json_in(tar, "index.json")
            digest = index["manifests"][0]["digest"].replace(":", "/")
            layers = _json_in(tar, f"blobs/{digest}")["layers"]
    sizes = [int(layer["size"]) for layer in layers]
    return Layers(base_bytes=sum(sizes[:-1]), ours_bytes=sizes[-1])


@contextlib.contextmanager
def file_tree(tag: str) -> Iterator[Path]:
    """Yield the files of a container of this image, which may be changed; it is removed after."""
    container = _buildah("from", "--pull-never", tag)
    try:
        yield Path(_buildah("mount", container))
    finally:
        _buildah("rm", container)


def remove_tools(root: Path) -> list[str]:
    """Leave no program in a container but Python; return the names of those removed."""
    tools = [
        path
        for folder in ("usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin")
        for path in (root / folder).glob("*")
        if not path.name.startswith("python")
    ]
    for path in tools:
        path.unlink()
    return [path.name for path in tools]


class Container:
    """The image's process, seen from outside."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self.ready_ms = 0.0
        self.port = 0

    @property
    def pid(self) -> int:
        """Of the image's first process, in our own numbering."""
        outer = self._process.pid
        (inner,) = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        return int(inner)

    def status(self) -> dict[str, list[str]]:
        """Return what the kernel says of it: `NSpid`, `Uid`, `VmRSS` and more."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}

    def log(self) -> list[dict[str, Any]]:
        """Return its log lines so far."""
        found = []
        for line in self._log.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def stop(self) -> int:
        """Send SIGTERM to it, as engines do; return its exit code.

        Raises:
            ImageFailed: it did not end in time.
        """
        os.kill(self.pid, signal.SIGTERM)
        try:
            return self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise ImageFailed("the service did not end on SIGTERM") from None

    def wait_until_ready(self, began_s: float) -> None:
        """Wait for the line that says where it listens; keep how long that took.

        Raises:
            ImageFailed: it ended, or said nothing in time.
        """
        while time.monotonic() < began_s + START_DEADLINE_S and self._process.poll() is None:
            for line in self.log():
                if line.get("message") == "ready":
                    self.ready_ms = (time.monotonic() - began_s) * 1_000
                    self.port = int(line["port"])
                    return
            time.sleep(0.005)
        raise ImageFailed(f"the image did not start:\n{self._log.read_text(errors='replace')}")

    def end(self) -> None:
        """Make sure that nothing is left of it."""
        if self._process.poll() is None:
            self._process.kill()  # and with it, by --kill-child, the image's process
            self._process.wait()


@contextlib.contextmanager
def running(root: Path, config: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Container]:
    """Start the entry point of an image in this file tree, on a free port of the loopback.

    Raises:
        ImageFailed: it did not start.
    """
    listening = {"HOST": "127.0.0.1", "PORT": "0", "LOG_FORMAT": "json"}
    command = command_in(root, config, config["Entrypoint"])
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        began_s = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=environment_of(config) | listening | dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        container = Container(process, log)
        try:
            container.wait_until_ready(began_s)
            yield container
        finally:
            container.end()


def command_in(root: Path, config: Mapping[str, Any], command: Sequence[str]) -> list[str]:
    """Return how a command is run as process 1 of a container, as the image's user."""
    user, _, group = str(config["User"]).partition(":")
    unshare = shutil.which("unshare") or "unshare"
    return [
        unshare, "--pid", "--fork", "--kill-child", "--mount-proc", f"--root={root}",
        f"--wd={config['WorkingDir']}", f"--setuid={user}", f"--setgid={group or user}",
        *command,
    ]  # fmt: skip


def environment_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that the image sets; nothing of ours gets in."""
    pairs = (entry.partition("=") for entry in config["Env"])
    return {name: value for name, _, value in pairs}


def main() -> int:
    """Build, start once, and print what was measured; 0 when all went well."""
    parser = argparse.ArgumentParser(prog="python -m scripts.container_image")
    parser.add_argument("--keep", metavar="TAG", help="keep the image under this name")
    options = parser.parse_args()
    if why := hindrance():
        sys.stderr.write(f"{why}\n")
        return 2
    tag = options.keep or f"localhost/audioconnector-bridge:{os.getpid()}"
    try:
        return _measure(tag)
    except ImageFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        if not options.keep:
            with contextlib.suppress(ImageFailed):
                remove(tag)


def _measure(tag: str) -> int:
    build(tag)
    layers, config = layers_of(tag), config_of(tag)
    with file_tree(tag) as root, running(root, config, FIRST_LOOK) as container:
        memory_mb = int(container.status()["VmRSS"][0]) / 1_000
        exit_code = container.stop()
    print(f"compressed size        {layers.total_bytes / 1e6:6.1f} MB")
    print(f"  of it ours           {layers.ours_bytes / 1e6:6.1f} MB")
    print(f"start to ready         {container.ready_ms:6.0f} ms")
    print(f"memory idle            {memory_mb:6.1f} MB")
    print(f"exit code on SIGTERM   {exit_code:6d}")
    return 0 if exit_code == 0 else 1


def _json_in(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    member = tar.extractfile(name)
    if member is None:
        raise ImageFailed(f"the image has no {name}")
    return dict(json.loads(member.read()))


def _buildah(*arguments: str, deadline_s: float = 60.0) -> str:
    """Run buildah; return what it prints."""
    program = shutil.which("buildah") or "buildah"
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, check=False, timeout=deadline_s
        )
    except subprocess.TimeoutExpired:
        raise ImageFailed(f"buildah {arguments[0]} took more than {deadline_s:.0f} s") from None
    if done.returncode:
        words = (done.stdout + done.stderr)[-2_000:]
        raise ImageFailed(f"buildah {arguments[0]} failed:\n{words}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
