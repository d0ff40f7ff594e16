"""The images, made of programs that are installed."""
import json
import pathlib
import re
import shutil
import subprocess
import tarfile

from needs import missing

# procps has the pgrep that Debian's busybox lacks.
TOOLS = ("nginx", "pgrep", "strace")
NEEDS = ("busybox", "ldd", *TOOLS)
WORKLOAD = "localhost/workload:stable"
WORKLOAD_CHANGES = ["ENV PATH=/bin"]
# podinit under the name and with the options of catatonit in podman's own infra image.
AS_CATATONIT = "localhost/podinit-as-catatonit:stable"
BUILDER = "localhost/builder:stable"
# podinit alone, as the Dockerfile makes it.
PODINIT = "localhost/podinit:latest"
# A user's image with podinit in it.
WITH_PODINIT = "localhost/with-podinit:stable"
# WITH_PODINIT with s6, as a supervisor that is PID 1.
WITH_S6 = "localhost/with-s6:stable"
S6 = ("s6-svscan", "s6-supervise")
# And with systemd.
WITH_SYSTEMD = "localhost/with-systemd:stable"
SYSTEMD = pathlib.Path("/lib/systemd")
# The image of PID 1 for podman kube play.
INFRA = "localhost/infra:stable"
# A JDK, for the examples' Java app. It replaces this image.
JDK = "docker.io/library/eclipse-temurin:17"
# The images that the examples name. WORKLOAD replaces each.
STOCK = ("docker.io/library/nginx:stable", "docker.io/library/busybox:stable", "docker.io/nicolaka/netshoot:latest")

NGINX_WORKERS = 2
# Its log on stderr has each signal that it receives.
NGINX_CONF = f"""\
worker_processes {NGINX_WORKERS};
error_log stderr notice;
events {{}}
http {{
    access_log off;
    server {{ listen 8080; }}
    include /etc/nginx/conf.d/*.conf;
}}
"""


def make(directory, candidates):
    """Writes a tar for each image, and returns (name, tar, changes to the image's configuration) of each."""
    directory.mkdir()
    made = [(WORKLOAD, workload(directory / "workload.tar", {}), WORKLOAD_CHANGES)]
    for candidate in candidates:
        if candidate.pause and not missing(candidate.needs):
            binary, *arguments = candidate.pause
            entrypoint = json.dumps(["/pause", *arguments])
            file = tar(directory / f"pause-{candidate.name}.tar", {"pause": binary})
            made.append((pause(candidate), file, [f"USER {candidate.user}", f"ENTRYPOINT {entrypoint}"]))
    return made


def make_of_podinit(directory, podinit):
    """The same for the images that have only podinit. make() has made the directory."""
    return [
        (AS_CATATONIT, tar(directory / "catatonit.tar", {"catatonit": podinit}), ['ENTRYPOINT ["/catatonit", "-P"]']),
        (PODINIT, tar(directory / "podinit.tar", {"podinit": podinit}), ['ENTRYPOINT ["/podinit"]']),
        (BUILDER, builder(directory / "builder.tar", podinit), ["ENV PATH=/bin"]),
        (WITH_PODINIT, workload(directory / "with-podinit.tar", {"podinit": podinit}), WORKLOAD_CHANGES),
    ]


def pause(candidate):
    """The image with the candidate as a pod's PID 1."""
    return f"localhost/pause-{candidate.name.replace(' ', '-')}:stable"


def workload(path, more):
    """Busybox, nginx, pgrep, strace, flush.sh, and `more` files."""
    configuration = path.with_name("nginx.conf")
    configuration.write_text(NGINX_CONF)
    empty = path.with_name("empty")
    empty.mkdir(exist_ok=True)
    files = {
        "bin/flush.sh": pathlib.Path(__file__).with_name("flush.sh"),
        "etc/nginx/nginx.conf": configuration,
        # nginx looks up www-data.
        "etc/passwd": "/etc/passwd",
        "etc/group": "/etc/group",
    }
    paths = [shutil.which(tool) for tool in TOOLS]
    # By which glibc before 2.34 reads /etc/passwd.
    nss = pathlib.Path("/lib").glob("*-linux-gnu/libnss_files.so.2")
    files |= {f"bin/{tool}": path for tool, path in zip(TOOLS, paths)} | in_place(*libraries(*paths), *nss)
    files |= {directory: empty for directory in ("run", "tmp", "var/lib/nginx", "var/log/nginx")}
    return busybox(path, files | more)


def in_place(*paths):
    """These files, by the paths that they have here."""
    return {str(path).lstrip("/"): path for path in paths}


def libraries(*paths):
    return re.findall(r"(/\S+) \(", output("ldd", *paths))


def s6(path, podinit):
    """What WITH_PODINIT has, and s6."""
    paths = [shutil.which(program) for program in S6]
    files = {"podinit": podinit, **in_place(*paths, *libraries(*paths))}
    return WITH_S6, workload(path, files), ["ENV PATH=/bin:/usr/bin"]


def systemd(path, podinit, units):
    """What WITH_PODINIT has, systemd with its targets, and `units`: texts by the names of files in /etc/systemd/system."""
    # The last one is there from systemd 255 on.
    binaries = [SYSTEMD / name for name in ("systemd", "systemd-shutdown", "systemd-executor")]
    binaries = [file for file in binaries if file.exists()]
    stock = [*(SYSTEMD / "system").glob("*.target"), SYSTEMD / "system/systemd-halt.service"]
    systemctl, unshare = shutil.which("systemctl"), shutil.which("unshare")
    files = {"podinit": podinit, **in_place(*binaries, *stock, *libraries(*binaries, systemctl, unshare))}
    # Where the systemd of Debian 13 has them.
    files |= {f"usr/{name}": file for name, file in files.items() if name.startswith("lib/systemd/")}
    # That of busybox makes no cgroup namespace.
    files |= {"bin/systemctl": systemctl, "bin/unshare": unshare}
    for number, (name, text) in enumerate(units.items()):
        file = files[f"etc/systemd/system/{name}"] = path.with_name(f"unit{number}")
        file.write_text(text)
    return WITH_SYSTEMD, workload(path, files), WORKLOAD_CHANGES


def jdk(path):
    """The installed JDK, and what workload() has, as the image JDK."""
    home = pathlib.Path(shutil.which("javac")).resolve().parents[1]
    # Without jmods, which only jlink reads, and without links to files of a package that is not installed.
    tree = [entry for folder in ("bin", "lib", "conf") for entry in (home / folder).iterdir() if entry.exists()]
    files = {f"jdk/{entry.relative_to(home)}": entry for entry in tree}
    found = re.findall(r"=> (/\S+) \(", output("ldd", *home.glob("lib/*.so"), home / "lib/server/libjvm.so"))
    files |= {library.lstrip("/"): library for library in found if not library.startswith(str(home))}
    return JDK, workload(path, files), ["ENV PATH=/bin:/jdk/bin"]


def builder(path, podinit):
    """Stands for Debian in the Dockerfile: an apt-get that installs nothing, and a bash, by which packaging/build runs,
    that leaves podinit in dist/ in its place."""
    scripts = {"apt-get": "true", "bash": "mkdir -p dist && cp /podinit dist/podinit && : >dist/THIRD-PARTY"}
    files = {"podinit": podinit, "usr/bin/env": shutil.which("busybox")}
    for name, script in scripts.items():
        file = files[f"bin/{name}"] = path.with_name(name)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    return busybox(path, files)


def busybox(path, files):
    """Busybox, by the names of all its applets, and `files`."""
    files = {"bin/busybox": shutil.which("busybox"), **files}
    applets = {f"bin/{applet}": "busybox" for applet in output("busybox", "--list").split()}
    return tar(path, files, {name: target for name, target in applets.items() if name not in files})


def tar(path, files, links=None):
    with tarfile.open(path, "w", dereference=True) as archive:
        for name, source in files.items():
            archive.add(source, name)
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    return path


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
