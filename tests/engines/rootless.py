"""A podman of an ordinary user's."""
import os
import pathlib
import shutil
import subprocess
import tempfile

from podman import Podman

UID = 60000
# Beyond any uid in use here.
SUBORDINATE = 1_000_000_000
ACCOUNTS = {
    "/etc/passwd": f"podinit-engines:x:{UID}:{UID}::{{home}}:/bin/sh\n",
    "/etc/group": f"podinit-engines:x:{UID}:\n",
    "/etc/subuid": f"podinit-engines:{SUBORDINATE}:65536\n",
    "/etc/subgid": f"podinit-engines:{SUBORDINATE}:65536\n",
}


class Rootless(Podman):
    NAME = "rootless podman"
    NEEDS = (*Podman.NEEDS, "newuidmap")

    def __init__(self, directory):
        super().__init__(directory)
        # With cgroup v1 an ordinary user has none.
        self.confine = ["--network=none"]
        os.chown(directory, UID, UID)
        self.command = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "env", "--chdir=/",
                        f"HOME={directory}", f"XDG_RUNTIME_DIR={directory}", *self.command, "--storage-driver=vfs"]

    def start_with(self, init):
        # The user may have no way to where it is.
        super().start_with(shutil.copy(init, self.directory))

    def __enter__(self):
        # The sandbox has a mount namespace of its own, so the accounts of the machine are what they were.
        for number, (path, line) in enumerate(ACCOUNTS.items()):
            accounts = pathlib.Path(path)
            ours = self.directory / f"accounts{number}"
            ours.write_text((accounts.read_text() if accounts.exists() else "") + line.format(home=self.directory))
            subprocess.run(["mount", "--bind", str(ours), path], check=True)
        return super().__enter__()

    def volume(self):
        directory = tempfile.mkdtemp(dir=self.directory)
        os.chown(directory, UID, UID)
        return pathlib.Path(directory), f"--volume={directory}:/data"
