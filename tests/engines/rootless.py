"""A podman that runs as an ordinary user."""
import os
import pathlib
import shutil
import subprocess

from podman import Podman

USER = "podinit-engines"
UID = 60000
# Higher than any uid in use.
SUBORDINATE = 1_000_000_000
ACCOUNTS = {
    "/etc/passwd": f"{USER}:x:{UID}:{UID}::{{home}}:/bin/sh\n",
    "/etc/group": f"{USER}:x:{UID}:\n",
    "/etc/subuid": f"{USER}:{SUBORDINATE}:65536\n",
    "/etc/subgid": f"{USER}:{SUBORDINATE}:65536\n",
}


class Rootless(Podman):
    NAME = "rootless podman"
    NEEDS = (*Podman.NEEDS, "newuidmap", "setpriv")

    def __init__(self, directory, runtime):
        super().__init__(directory, runtime)
        # With cgroup v1 an ordinary user may not make cgroups.
        self.confine = ["--network=none"]
        os.chown(directory, UID, UID)
        # podman looks up subordinate ids by $USER.
        environment = [f"HOME={directory}", f"XDG_RUNTIME_DIR={directory}", f"USER={USER}", f"LOGNAME={USER}"]
        self.command = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "env", "--chdir=/",
                        *environment, *self.command, "--storage-driver=vfs"]

    def init_options(self, init):
        # The user may not be permitted to read the directory of the init.
        return super().init_options(shutil.copy(init, self.directory))

    def __enter__(self):
        # The sandbox has a mount namespace of its own, so the accounts of the machine do not change.
        for number, (path, line) in enumerate(ACCOUNTS.items()):
            accounts = pathlib.Path(path)
            copy = self.directory / f"accounts{number}"
            copy.write_text((accounts.read_text() if accounts.exists() else "") + line.format(home=self.directory))
            subprocess.run(["mount", "--bind", str(copy), path], check=True)
        return super().__enter__()

    def volume(self):
        directory, option = super().volume()
        os.chown(directory, UID, UID)
        return directory, option
