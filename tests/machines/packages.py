"""Single packages of any Debian and architecture, unpacked into the cache folder: a kernel, and busybox."""
import re
import shutil
import subprocess

import cache


class Apt:
    """An apt that knows one suite of one architecture, and changes nothing on this machine."""

    def __init__(self, folder, suite, architecture):
        self.folder = folder
        for path in ("lists/partial", "cache/archives/partial"):
            (folder / path).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(f"deb [signed-by={cache.KEYRING}] {cache.mirror()} {suite} main\n")
        (folder / "apt.conf").write_text("".join(f"{line};\n" for line in [
            *cache.APT, f'Dir::Etc::SourceList "{folder}/sources.list"', 'Dir::Etc::SourceParts "/dev/null"',
            f'Dir::State::Lists "{folder}/lists"', f'Dir::State::Status "{folder}/status"',
            f'Dir::Cache "{folder}/cache"', f'APT::Architecture "{architecture}"',
            f'APT::Architectures {{ "{architecture}"; }}', 'APT::Sandbox::User "root"', 'Acquire::Languages "none"']))
        self.run("apt-get", "--error-on=any", "-qq", "update")

    def run(self, *command):
        cache.run(command, cwd=self.folder, env={"APT_CONFIG": str(self.folder / "apt.conf"), "PATH": "/usr/bin:/bin"})

    def depends(self, package, pattern):
        """The package of this name pattern that a package depends on, if there is one."""
        output = subprocess.run(["apt-cache", "depends", package], stdout=subprocess.PIPE, text=True,
                                env={"APT_CONFIG": str(self.folder / "apt.conf")}).stdout
        found = re.search(rf"Depends: ({pattern})\n", output)
        return found and found[1]

    def unpack(self, package, into):
        self.run("apt-get", "-qq", "download", package)
        (file,) = self.folder.glob("*.deb")
        cache.run(["dpkg", "-x", str(file), str(into)])


def unpacked(name, suite, architecture, package, kept, *depends):
    """The path of one file of a package; or of what it depends on, of these name patterns one after the other."""
    with cache.made(name, f"{suite} {architecture} {package} {kept} {depends}") as fresh:
        if fresh:
            work = fresh / "work"
            apt = Apt(work, suite, architecture)
            for pattern in depends:
                package = apt.depends(package, pattern) or package
            apt.unpack(package, work / "files")
            found = [file for pattern in kept for file in (work / "files").glob(pattern)]
            if len(found) != 1:
                raise cache.CannotBeMade(f"{package} has {len(found)} files {kept}")
            shutil.copy(found[0], fresh / found[0].relative_to(work / "files").as_posix().replace("/", "-"))
            shutil.rmtree(work)
    (file,) = (cache.FOLDER / name).iterdir()
    return file


def kernel(suite, architecture, name):
    """The path of a kernel, and its release."""
    # From Linux 7 on the file is in a package of its own.
    file = unpacked(f"{suite}-{architecture}-kernel", suite, architecture, f"linux-image-{name}",
                    ["boot/vmlinu[xz]-*", "usr/lib/modules/*/vmlinuz"], r"linux-image-[0-9]\S*", r"linux-binary-[0-9]\S*")
    return file, re.fullmatch("boot-vmlinu[xz]-(.*)|usr-lib-modules-(.*)-vmlinuz", file.name).expand(r"\1\2")


def busybox(suite, architecture):
    return unpacked(f"busybox-{architecture}", suite, architecture, "busybox-static", ["bin/busybox", "usr/bin/busybox"])
