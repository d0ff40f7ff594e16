"""A private podman."""
import images
from engine import Engine
from needs import require

# Without CAP_SYS_RESOURCE rlimits cannot be raised, so the soft and the hard ones are the same. podman 3's AppArmor
# profile denies signals to the infra container. The locks are files, since those in shared memory would be shared with the
# host's podman. The infra image is for kube play, which has no option for it.
CONFIGURATION = f"""\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
apparmor_profile = "unconfined"
[engine]
runtime = "{{runtime}}"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
infra_image = "{images.INFRA}"
"""


class Podman(Engine):
    NAME = "podman"
    # The second one before 4.0.
    INIT_NAMES = ("podman-init", "init")
    NEEDS = ("podman",)

    def __init__(self, directory, runtime):
        require([runtime])
        super().__init__(directory)
        configuration = directory / "containers.conf"
        configuration.write_text(CONFIGURATION.format(runtime=runtime))
        self.command = ["env", f"CONTAINERS_CONF={configuration}", "podman",
                        *(f"--{name}={directory / name}" for name in ("root", "runroot", "tmpdir"))]

    def init_options(self, init):
        """Options of `podman run`, to start `init` as PID 1."""
        return ["--init", f"--init-path={init}"]

    def pod(self, name, infra_image):
        """Creates a pod with a shared PID namespace, and returns the id of its infra container, which before 4.0 can be given no
        name."""
        self("pod", "create", f"--name={name}", f"--infra-image={infra_image}", "--share=pid,ipc,uts", *self.confine)
        return self("pod", "inspect", "--format={{.InfraContainerID}}", name)

    def save(self, image, archive):
        self("save", "--format=oci-archive", f"--output={archive}", image)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.attempt("pod", "rm", "--force", "--time=0", "--all")
        self.attempt("rm", "--force", "--time=0", "--all")
