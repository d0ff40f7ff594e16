"""A podman of our own."""
import os

import images
from engine import Engine

# Without CAP_SYS_RESOURCE, rlimits cannot be raised, so soft and hard ones are given alike. runc is happy with cgroups
# of either version. Locks in files, as those in shared memory would be shared with the host's podman. The infra
# image is for kube play, which has no option for it.
CONFIGURATION = f"""\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
infra_image = "{images.INFRA}"
"""


class Podman(Engine):
    NAME = "podman"
    INIT_NAME = "podman-init"
    NEEDS = ("podman", "runc")

    def __init__(self, directory):
        super().__init__(directory)
        self.init = []
        configuration = directory / "containers.conf"
        configuration.write_text(CONFIGURATION)
        os.environ["CONTAINERS_CONF"] = str(configuration)
        self.command = ["podman", *(f"--{name}={directory / name}" for name in ("root", "runroot", "tmpdir"))]

    def start_with(self, init):
        """What --init is to start."""
        self.init = ["--init", f"--init-path={init}"]

    def save(self, image):
        archive = self.directory / f"{image.translate(str.maketrans('/:', '--'))}.tar"
        self("save", "--format=oci-archive", f"--output={archive}", image)
        return archive

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.attempt("pod", "rm", "--force", "--time=0", "--all")
        self.attempt("rm", "--force", "--time=0", "--all")
