"""podinit on a Debian with systemd, in a virtual machine: tests/suite, that Debian's engines, and crun under SIGHUPs."""
import io
import shutil
import tarfile
import time

import cache
import machines
import results
import userlands

# Beside those of tests/suite. golang-go and default-jdk-headless would take 600 MB: without them some tests are skipped.
PACKAGES = """systemd-sysv dbus udev linux-image-amd64 initramfs-tools apparmor ca-certificates busybox-static conmon
    containerd containernetworking-plugins crun docker.io fuse-overlayfs gcc iproute2 iptables libc6-dev nftables podman
    protobuf-compiler python3-grpcio python3-protobuf python3-pytest python3-pytest-timeout runc uidmap""".split()
# Those that are not in all of them.
MORE = {"bullseye": ["docker-compose"], "bookworm": ["docker-compose"]}
NEWER = ["docker-cli", "docker-compose", "netavark"]
# Its services: an engine's tests have a private daemon. The profile of AppArmor takes half a minute to load.
MASKED = """apparmor apt-daily.timer apt-daily-upgrade.timer containerd docker docker.socket e2scrub_all.timer man-db.timer
    nginx podman podman.socket podman-auto-update podman-auto-update.timer podman-restart postgresql""".split()
# The second drive is the archive of `payload`. The second serial port takes what it prints.
UNIT = """\
[Unit]
After=multi-user.target
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
ExecStartPre=/bin/tar --extract --file=/dev/vdb --directory=/
ExecStart=/bin/sh /payload
StandardOutput=file:/dev/ttyS1
StandardError=inherit
Delegate=yes
TasksMax=infinity
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
"""
SIZE = 8 << 30
# Emulated, beside other work on two processors.
LIMIT = 4 * 3600
# For the suite alone: the images of tests/engines are made of the Debian's own files.
UNSHARE = r"case $(unshare --version) in *\ 2.36*) cp tests/machines/unshare-2.36 /usr/local/bin/unshare ;; esac"
# What runs in each boot, and what counts its output.
ROWS = {
    "suite": (f"{UNSHARE}; CI=true PODINIT_UNDER_TEST=/podinit /suite --color=never", results.of_suite),
    "engines": ("tests/engines/run /podinit --runtime={runtime} --color=no --timeout=1500", results.of_engines),
    "starts": ("PODINIT_UNDER_TEST=/podinit tests/trust/starts --runtime={runtime}", results.of_starts),
}


def disk(suite):
    """A folder with the disk of a Debian, its kernel, and its initrd."""
    cache.needs("mkfs.ext4", "e2fsprogs")
    packages = [*cache.PACKAGES, *PACKAGES, *MORE.get(suite, NEWER)]
    hooks = [f'chroot "$1" systemctl --quiet mask {" ".join(MASKED)}', 'chroot "$1" systemctl --quiet enable payload']
    unit = 'cat >"$1/etc/systemd/system/payload.service" <<\'END\'\n' + UNIT + "END\n"
    command = cache.bootstrap(suite, packages, *(f"--customize-hook={hook}" for hook in (unit, *hooks)))
    with cache.made(f"{suite}-system", repr(command)) as fresh:
        if fresh:
            tree = fresh / "tree"
            cache.run([*command, str(tree), cache.mirror()])
            for name in ("vmlinuz", "initrd.img"):
                (file,) = tree.glob(f"boot/{name}-*")
                shutil.copy(file, fresh)
            with open(fresh / "disk", "wb") as image:
                image.truncate(SIZE)
            cache.run(["mkfs.ext4", "-q", "-d", str(tree), str(fresh / "disk")])
            shutil.rmtree(tree)
    return cache.FOLDER / f"{suite}-system"


def payload(archive, chosen, command):
    """The source, podinit, the suite, and the script that a machine is to run."""
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in userlands.sources():
            tar.add(path)
        tar.add(chosen.podinit, "podinit")
        tar.add(chosen.suite(), "suite")
        script = f"cd {userlands.SOURCE}\n{command}\necho end of the run: $?\n".encode()
        member = tarfile.TarInfo("payload")
        member.size = len(script)
        tar.addfile(member, io.BytesIO(script))


class System(machines.Machine):
    """A Debian on a disk, as it is installed."""
    MEMORY = "3072"

    def __init__(self, name, suite, runtime="crun", kernel_options="", skipped=None):
        """`runtime` is podman's. `skipped` has what this Debian's programs cannot carry, for each row, and why."""
        super().__init__(name, suite, "amd64")
        self.runtime, self.kernel_options, self.skipped = runtime, kernel_options, skipped or {}

    def command(self, what, chosen):
        """What a row runs."""
        command, skipped = ROWS[what][0].format(runtime=self.runtime), self.skipped.get(what, {})
        if what == "suite":
            return " ".join([command, *chosen.tests, *(f"--skip={test}" for test in skipped)])
        words = [" or ".join(chosen.tests)] * bool(chosen.tests) + [f"not ({' or '.join(skipped)})"] * bool(skipped)
        return command + (f" -k '{' and '.join(f'({word})' for word in words)}'" if words and what == "engines" else "")

    def title(self, what):
        return f"starts under HUPs ({self.runtime})" if what == "starts" else what

    def boot_disk(self, folder, drive, log):
        """What it prints until it is off."""
        qemu, tty = self.qemu()
        output = log.with_name(f"{log.name}-output")
        line = f"root=/dev/vda rw console={tty} quiet systemd.show_status=0 panic=-1 mitigations=off no_timer_check"
        (kernel,), (initrd,) = folder.glob("vmlinuz-*"), folder.glob("initrd.img-*")
        command = [*qemu, "-kernel", kernel, "-initrd", initrd, "-append", f"{line} {self.kernel_options}"]
        command += ["-drive", f"file={folder}/disk,if=virtio,format=raw,snapshot=on,cache=unsafe"]
        command += ["-drive", f"file={drive},if=virtio,format=raw,readonly=on", "-device", "virtio-rng-pci"]
        command += ["-serial", f"file:{log}", "-serial", f"file:{output}"]
        with open(log.with_name(f"{log.name}-qemu"), "w") as errors:
            return machines.until_off(command, LIMIT, output, stdout=errors, stderr=errors)

    def run(self, chosen):
        """Yields a row of the table for each boot."""
        folder = disk(self.suite)
        (kernel,) = folder.glob("vmlinuz-*")
        for what in chosen.rows or ROWS:
            began = time.monotonic()
            drive = chosen.log(f"{self.name}-{what}.tar")
            with open(drive, "wb") as archive:
                payload(archive, chosen, self.command(what, chosen))
            output = self.boot_disk(folder, drive, drive.with_suffix(""))
            drive.unlink()
            with open(chosen.log(self.name), "a") as log:
                log.write(output)
            passed, failed, skipped = ROWS[what][1](output)
            skipped += [f"{test}: {why}" for test, why in self.skipped.get(what, {}).items()]
            release = kernel.name.removeprefix("vmlinuz-")
            yield results.Row(self.name, release, self.title(what), passed, failed, skipped, time.monotonic() - began)
