"""A private containerd, called as kubelet calls it."""
import importlib
import pathlib
import re
import subprocess
import sys

import images
from podman import Podman
from waiting import WATCHDOG, wait_until

PROTO = pathlib.Path(__file__).with_name("cri.proto")
# restrict_oom_score_adj: without CAP_SYS_RESOURCE it cannot be lowered.
COMMON = """\
root = "{directory}/root"
state = "{directory}/state"
[grpc]
address = "{directory}/socket"
[plugins."io.containerd.internal.v1.opt"]
path = "{directory}/opt"
"""
CONFIGURATION = f"""\
version = 2
{COMMON}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{{sandbox_image}}"
restrict_oom_score_adj = true
disable_apparmor = true
"""
# From containerd 2.0 on.
CONFIGURATION_OF_2 = f"""\
version = 3
{COMMON}
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{{sandbox_image}}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
disable_apparmor = true
"""
# containerd 1.4 has only the older one. The fields that are used are the same in both.
PACKAGES = ("runtime.v1", "runtime.v1alpha2")


class Containerd:
    NAME = "containerd"
    # podman builds the images.
    NEEDS = ("containerd", "ctr", "protoc", "runc", *Podman.NEEDS)
    MODULES = ("google.protobuf", "grpc")

    def __init__(self, directory, podman, sandbox_image):
        """The images are those of `podman`."""
        directory.mkdir()
        self.directory = directory
        self.podman = podman
        self.sandbox_image = sandbox_image
        self.imported = set()
        # The sandbox removes the cgroup of this name.
        self.cgroup = f"/{directory.parent.name}"
        self.configuration = directory / "config.toml"
        configuration = CONFIGURATION if major_version() < 2 else CONFIGURATION_OF_2
        self.configuration.write_text(configuration.format(directory=directory, sandbox_image=sandbox_image))

    def __enter__(self):
        # Not at the top of the file: Debian's package of it may be missing.
        import grpc
        self.messages = compile_messages(self.directory)
        self.log = open(self.directory / "log", "w")
        # In a session of its own: it must outlive a ^C until the containers are removed.
        self.daemon = subprocess.Popen(["containerd", "--config", str(self.configuration)],
                                       stdout=self.log, stderr=self.log, start_new_session=True)
        self.channel = grpc.insecure_channel(f"unix://{self.directory}/socket")
        wait_until(self.answers, "containerd")
        self.package = next(package for package in PACKAGES if self.has(package))
        for image in (images.WORKLOAD, self.sandbox_image):
            self.import_once(image)
        return self

    def import_once(self, image):
        if image not in self.imported:
            archive = self.directory / self.podman.name("image")
            self.podman.save(image, archive)
            self.ctr("images", "import", str(archive)).check_returncode()
            archive.unlink()
            self.imported.add(image)

    def answers(self):
        if self.daemon.poll() is not None:
            raise AssertionError(f"containerd: {(self.directory / 'log').read_text()[-500:]}")
        return self.ctr("plugins", "list", "id==cri").stdout.rstrip().endswith("ok")

    def __exit__(self, *_):
        self.channel.close()
        self.daemon.terminate()
        self.daemon.wait(WATCHDOG)
        self.log.close()

    def ctr(self, *arguments):
        command = ["ctr", "--address", f"{self.directory}/socket", "--namespace=k8s.io", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=WATCHDOG)

    def call(self, method, **fields):
        """Calls a method of the RuntimeService. Its name and the fields of its request are those of the CRI."""
        import grpc
        try:
            return self.attempt(self.package, method, **fields)
        except grpc.RpcError as error:
            raise AssertionError(f"{method}: {error.details()}") from error

    def attempt(self, package, method, **fields):
        request = getattr(self.messages, f"{method}Request")(**fields)
        call = self.channel.unary_unary(
            f"/{package}.RuntimeService/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(self.messages, f"{method}Response").FromString,
        )
        return call(request, timeout=WATCHDOG)

    def has(self, package):
        """Whether containerd has the CRI by this name."""
        import grpc
        try:
            self.attempt(package, "Version")
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise
            return False
        return True


def major_version():
    version = subprocess.run(["containerd", "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.search(r" v?([0-9]+)\.[0-9]", version)[1])


def compile_messages(directory):
    subprocess.run(["protoc", f"--proto_path={PROTO.parent}", f"--python_out={directory}", PROTO.name], check=True)
    sys.path.insert(0, str(directory))
    try:
        return importlib.import_module("cri_pb2")
    finally:
        sys.path.pop(0)
