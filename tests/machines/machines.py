"""podinit on the kernel of a Debian, in a virtual machine: as PID 1 of namespaces, and as that of the machine."""
import os
import pathlib
import subprocess
import time
import typing

import cache
import initramfs
import packages
import results


class Architecture(typing.NamedTuple):
    """What is of its own for a machine."""
    name: str  # that of packaging/build --machine
    kernel: str  # the package, without `linux-image-`
    emulator: str  # qemu's name for it
    package: str  # qemu's
    emulated: list  # qemu's machine and processor where there is no KVM
    console: str
    rust: str  # Rust's name for it with glibc
    gcc: str  # the prefix of Debian's
    busybox: str = "bookworm"  # the Debian that has it


# What the emulation of a POWER9 says that it does not have.
NO_MITIGATIONS = "cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"
# By Debian's name.
ARCHITECTURES = {
    "amd64": Architecture("x86_64", "amd64", "x86_64", "qemu-system-x86", ["-machine", "pc", "-cpu", "Nehalem"], "ttyS0",
                          "x86_64-unknown-linux-gnu", "x86_64-linux-gnu"),
    "i386": Architecture("i686", "686-pae", "i386", "qemu-system-x86", ["-machine", "pc", "-cpu", "n270"], "ttyS0",
                         "i686-unknown-linux-gnu", "i686-linux-gnu"),
    "arm64": Architecture("aarch64", "arm64", "aarch64", "qemu-system-arm",
                          ["-machine", "virt", "-cpu", "cortex-a57"], "ttyAMA0", "aarch64-unknown-linux-gnu",
                          "aarch64-linux-gnu"),
    "armhf": Architecture("armv7", "armmp", "arm", "qemu-system-arm",
                          ["-machine", "virt", "-cpu", "cortex-a15"], "ttyAMA0", "armv7-unknown-linux-gnueabihf",
                          "arm-linux-gnueabihf"),
    "ppc64el": Architecture("ppc64le", "powerpc64le", "ppc64", "qemu-system-ppc",
                            ["-machine", f"pseries,{NO_MITIGATIONS}", "-cpu", "power9"], "hvc0",
                            "powerpc64le-unknown-linux-gnu", "powerpc64le-linux-gnu"),
    "s390x": Architecture("s390x", "s390x", "s390x", "qemu-system-misc",
                          ["-machine", "s390-ccw-virtio", "-cpu", "max"], "ttysclp0", "s390x-unknown-linux-gnu",
                          "s390x-linux-gnu"),
    "riscv64": Architecture("riscv64", "riscv64", "riscv64", "qemu-system-misc opensbi",
                            ["-machine", "virt", "-cpu", "rv64"], "ttyS0", "riscv64gc-unknown-linux-gnu",
                            "riscv64-linux-gnu", "trixie"),
}
# Each boot takes half a minute where it is emulated, and longer where other programs run.
LIMIT = 300
# A machine that prints nothing for so long has hung. The longest time limit of a test is the 1,500 s of tests/engines.
SILENCE = 1800
# How a boot is to end: PID 1 exits, so that the kernel panics and says its exit status, or it restarts the machine.
BOOTS = [
    ("exit status", "rdinit=/podinit -- /bin/sh -c \"exit 7\"", 7, 0),
    ("machine's PID 1", "rdinit=/podinit -- /bin/sh /pid1", 3, 10),
    ("machine's pause", "rdinit=/pause", 0, 5),
    ("namespaces", "rdinit=/checks", None, 31),
]


def printed(console):
    return console.read_text(errors="replace") if console.exists() else ""


def until_off(command, limit, console, **files):
    """What a virtual machine prints to `console` until it is off. Kills one that has hung: no end in `limit` seconds, or
    nothing more on `console` for SILENCE seconds."""
    began = changed = time.monotonic()
    size = 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **files) as process:
        try:
            while (now := time.monotonic()) - began < limit and now - changed < SILENCE:
                try:
                    status = process.wait(timeout=5)
                    return printed(console) + (f"\nFAILED to run {command[1]}: exit status {status}\n" if status else "")
                except subprocess.TimeoutExpired:
                    if console.exists() and console.stat().st_size != size:
                        size, changed = console.stat().st_size, time.monotonic()
        finally:
            process.kill()
    hung = f"to end in {limit} s" if now - began >= limit else f"to print anything for {SILENCE} s"
    return f"{printed(console)}\nFAILED {hung}\n"


class Machine:
    MEMORY = "1024"  # in MiB

    def __init__(self, name, suite, architecture):
        self.name, self.suite, self.architecture = name, suite, architecture
        self.own = ARCHITECTURES[architecture]

    def podinit(self, chosen):
        if self.own.name == os.uname().machine:
            return chosen.podinit
        path = chosen.podinit.with_name(f"podinit-{self.own.name}")
        if not path.exists():
            raise cache.CannotBeMade(f"needs {path.name}: packaging/build --machine={self.own.name}")
        return path

    def qemu(self):
        own = self.own
        cache.needs(f"qemu-system-{own.emulator}", own.package)
        native = own.name == os.uname().machine and os.access("/dev/kvm", os.W_OK)
        # Its kernels are to be made for it: those of a Debian do not boot.
        if native and not pathlib.Path("/sys/module/kvm_pvm").exists():
            emulated = [*own.emulated[:2], "-accel", "kvm", "-cpu", "host"]
        else:
            emulated = [*own.emulated, "-accel", "tcg,thread=multi"]
        return ["nice", f"qemu-system-{own.emulator}", *emulated, "-m", self.MEMORY, "-smp", "2", "-nodefaults", "-no-reboot",
                "-display", "none", "-nic", "none"], own.console

    def kernel(self):
        return packages.kernel(self.suite, self.architecture, self.own.kernel)

    def boot(self, initrd, arguments, console, limit=LIMIT):
        """What it prints until it is off, with the kernel's messages in it."""
        qemu, tty = self.qemu()
        line = f"console={tty} quiet loglevel=1 panic=-1 mitigations=off no_timer_check {arguments}"
        kernel, _ = self.kernel()
        command = [*qemu, "-kernel", kernel, "-initrd", initrd, "-append", line, "-serial", f"file:{console}"]
        return until_off(command, limit, console)

    def run(self, chosen):
        """Yields a row of the table for each boot."""
        podinit, busybox = self.podinit(chosen), packages.busybox(self.own.busybox, self.architecture)
        cache.needs("cpio", "cpio")
        initrd = chosen.log(f"{self.name}.cpio")
        with open(initrd, "wb") as archive:
            initramfs.small(archive, podinit, busybox)
        _, release = self.kernel()
        for what, arguments, status, least in BOOTS:
            began = time.monotonic()
            output = self.boot(initrd, arguments, chosen.log(f"{self.name}-{what.replace(' ', '-')}"))
            with open(chosen.log(self.name), "a") as log:
                log.write(output)
            counts = results.of_boot(output, status, least)
            yield results.Row(self.name, release, what, *counts, time.monotonic() - began)
        initrd.unlink()
