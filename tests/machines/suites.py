"""tests/suite on a Debian of another architecture, its programs and its kernel, in a virtual machine."""
import pathlib
import shlex
import shutil
import tempfile
import time

import cache
import initramfs
import machines
import results
import userlands

# Emulated, beside other work on two processors.
LIMIT = 4 * 3600
# Debian's compiler has the source of std beside it, which that of rustup lacks for other architectures.
DEBIAN = {"PATH": "/usr/bin:/bin", "RUSTC_BOOTSTRAP": "1"}
STD = ["-Z", "build-std=std,test,panic_unwind"]


class Suite(machines.Machine):
    """A Debian's files in the memory of a virtual machine, whose PID 1 is podinit with the suite as its workload."""
    def __init__(self, name, suite, architecture, skipped=None, memory="2560"):
        """`skipped` has the tests that this machine cannot carry, and why. Its files are in `memory` (MiB) twice while the
        kernel unpacks them, and may take half of it."""
        super().__init__(name, suite, architecture)
        self.skipped, self.MEMORY = skipped or {}, memory

    def built(self):
        """The suite for this architecture."""
        cache.needs(f"{self.own.gcc}-gcc", f"gcc-{self.own.gcc.replace('_', '-')}")
        cache.needs(f"/usr/{self.own.gcc}/lib/crt1.o", f"libc6-dev-{self.architecture}-cross")
        cache.needs("/usr/bin/rustc", "rustc-web, cargo-web, rust-web-src")
        variable = f"CARGO_TARGET_{self.own.rust.upper().replace('-', '_')}_LINKER"
        environment = {variable: f"{self.own.gcc}-gcc", "CARGO_ENCODED_RUSTFLAGS": "-Ctarget-feature=+crt-static"}
        return userlands.built(*STD, f"--target={self.own.rust}", "--target-dir=target/suites", **DEBIAN, **environment)

    def initrd(self, archive, chosen):
        """All that the machine has."""
        user = {"ppc64": "ppc64le"}.get(self.own.emulator, self.own.emulator)
        tree = cache.foreign_tree(self.suite, self.architecture, user)
        with tempfile.TemporaryDirectory(prefix="podinit-machines-") as name:
            root = pathlib.Path(name)
            root.chmod(0o755)
            shutil.copy(self.podinit(chosen), root / "podinit")
            shutil.copy(self.built(), root / "suite")
            shutil.copy(initramfs.INSIDE / "suite", root / "init-of-suite")
            words = ["/suite", "--color=never", *chosen.tests, *(f"--skip={test}" for test in self.skipped)]
            # A group whose parent is the machine's PID 1 counts as orphaned. Where one of it is stopped, and another that PID 1
            # of the same session has inherited exits, the kernel sends SIGHUP to all of it (kill_orphaned_pgrp).
            # So it has a session of its own, and no terminal: the console is none of its files.
            script = f"{shlex.join(words)} </dev/null 2>&1 | cat"
            command = f"exec /podinit -- setsid --wait sh -c {shlex.quote(script)}"
            (root / "payload").write_text(f"cd {userlands.SOURCE}\n{command}\n")
            for path in userlands.sources():
                copy = root / path.relative_to("/")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
            initramfs.write(archive, tree)
            initramfs.write(archive, root)

    def run(self, chosen):
        """Yields the row of the table."""
        cache.needs("cpio", "cpio")
        initrd = chosen.log(f"{self.name}.cpio")
        with open(initrd, "wb") as archive:
            self.initrd(archive, chosen)
        began = time.monotonic()
        output = self.boot(initrd, "rdinit=/init-of-suite", chosen.log(self.name), LIMIT)
        initrd.unlink()
        passed, failed, skipped = results.of_suite(output.replace("\r", ""))
        skipped += [f"{test}: {why}" for test, why in self.skipped.items()]
        yield results.Row(self.name, self.kernel()[1], "suite", passed, failed, skipped, time.monotonic() - began)
