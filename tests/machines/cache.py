"""The cache folder: a tree of each Debian's files, and packages that are only unpacked."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

FOLDER = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "podinit-machines"
SOURCES = pathlib.Path("/etc/apt/sources.list.d/debian.sources")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What tests/suite runs under podinit, and what it looks with.
PACKAGES = """bash catatonit dumb-init fish groff-base mandoc mount nginx-light passwd postgresql procps psmisc python3 s6
    strace tini util-linux""".split()
# sid's Release file may have expired on a mirror that lags behind.
APT = ["Acquire::Check-Valid-Until \"false\"", "APT::Install-Recommends \"false\"", "Acquire::Retries \"3\""]
# No service is to start by itself, while it is installed or later.
HOOK = r'printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"; chmod +x "$1/usr/sbin/policy-rc.d"'


class CannotBeMade(Exception):
    """Why a machine is skipped."""


def mirror():
    """That of this machine's own packages, if that is a Debian."""
    if os.environ.get("MIRROR"):
        return os.environ["MIRROR"]
    lines = SOURCES.read_text().splitlines() if SOURCES.exists() else []
    of_apt = [line.split()[1] for line in lines if line.startswith("URIs:")]
    return of_apt[0] if of_apt else "http://deb.debian.org/debian"


@contextlib.contextmanager
def made(name, recipe):
    """Yields a fresh folder for what is in the cache under this name by another recipe or not at all, otherwise None.

    The folder becomes that of the cache when the block ends without an exception."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted, stamp, fresh = FOLDER / name, FOLDER / f"{name}.recipe", FOLDER / f"{name}.unfinished"
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    with open(FOLDER / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if wanted.exists() and stamp.exists() and stamp.read_text() == digest:
            yield None
            return
        for folder in (wanted, fresh):
            shutil.rmtree(folder, ignore_errors=True)
        fresh.mkdir()
        try:
            yield fresh
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        fresh.rename(wanted)
        stamp.write_text(digest)


def run(command, **options):
    """Runs it, or says in its own first error, or last line, why not."""
    done = subprocess.run(["nice", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["it failed"]
        raise CannotBeMade(f"{command[0]}: {next((line for line in lines if line.startswith('E: ')), lines[-1])}")


def needs(file, package):
    """`file` is a path, or the name of a program."""
    if not shutil.which(file, os.F_OK):
        raise CannotBeMade(f"needs the package {package}")


def bootstrap(suite, packages, *options):
    """The command that makes the files of a Debian with these packages, but for the folder and the mirror."""
    needs("mmdebstrap", "mmdebstrap")
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--keyring=" + KEYRING]
    command += [f"--aptopt={option}" for option in APT] + [f"--essential-hook={HOOK}"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{kind}/*" for kind in ("doc", "info", "locale", "man")]
    return [*command, *options, "--include=" + ",".join(packages), suite]


def tree(suite):
    """The files of a Debian with all that the suite needs."""
    command = bootstrap(suite, PACKAGES)
    with made(suite, repr(command)) as fresh:
        if fresh:
            run([*command, str(fresh), mirror()])
    return FOLDER / suite


def foreign_tree(suite, architecture, emulator):
    """The same of another architecture, whose programs qemu executes as that `emulator`, if the kernel does not."""
    needs("arch-test", "arch-test")
    name, command = f"{suite}-{architecture}", bootstrap(suite, PACKAGES, f"--architectures={architecture}")
    with made(name, repr(command)) as fresh:
        if fresh:
            is_native = subprocess.run(["arch-test", "-n", architecture], stdout=subprocess.DEVNULL).returncode == 0
            with contextlib.nullcontext() if is_native else executed_by(emulator):
                run([*command, str(fresh), mirror()])
    return FOLDER / name


@contextlib.contextmanager
def executed_by(emulator):
    """Has the kernel execute the programs of another architecture by qemu's `emulator` (binfmt_misc)."""
    needs(f"qemu-{emulator}-static", "qemu-user-static")
    line = pathlib.Path(f"/usr/lib/binfmt.d/qemu-{emulator}.conf").read_text().strip()
    with tempfile.TemporaryDirectory(prefix="podinit-machines-") as name:
        run(["mount", "-t", "binfmt_misc", "none", name])
        entry = pathlib.Path(name) / line.split(":")[1]
        is_own = not entry.exists()
        try:
            if is_own:
                (pathlib.Path(name) / "register").write_text(line)
            yield
        finally:
            if is_own and entry.exists():
                entry.write_text("-1")
            run(["umount", name])
