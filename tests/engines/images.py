"""The images, made of what Debian has installed here."""
import pathlib
import re
import subprocess
import tarfile

NEEDS = ("busybox", "nginx", "catatonit")
WORKLOAD = "localhost/workload"
PODINIT = "localhost/podinit"
CATATONIT = "localhost/catatonit"
# podinit, as podman's own infra image calls catatonit.
AS_CATATONIT = "localhost/podinit-as-catatonit"
BUILDER = "localhost/builder"
# What the examples call for; ours stands in.
STOCK = ("docker.io/library/nginx:stable", "docker.io/library/busybox:stable")

NGINX_WORKERS = 2
# It says on stderr what it is told.
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


def make(directory, podinit):
    """Writes a tar for each image, and returns (name, tar, changes to the image's configuration) of each."""
    directory.mkdir()
    catatonit = which("catatonit")
    return [
        (WORKLOAD, workload(directory / "workload.tar"), ["ENV PATH=/bin:/usr/sbin"]),
        (PODINIT, tar(directory / "podinit.tar", {"pause": podinit}), ['ENTRYPOINT ["/pause"]']),
        (AS_CATATONIT, tar(directory / "as-catatonit.tar", {"catatonit": podinit}), ['ENTRYPOINT ["/catatonit", "-P"]']),
        (BUILDER, builder(directory / "builder.tar", podinit), ["ENV PATH=/bin"]),
        (CATATONIT, tar(directory / "catatonit.tar", {"pause": catatonit}), ['ENTRYPOINT ["/pause", "-P"]']),
    ]


def workload(path):
    """Busybox, nginx with its libraries, and flush.sh."""
    configuration = path.with_name("nginx.conf")
    configuration.write_text(NGINX_CONF)
    empty = path.with_name("empty")
    empty.mkdir()
    libraries = re.findall(r"(/\S+) \(", output("ldd", which("nginx")))
    files = {
        "bin/busybox": which("busybox"),
        "bin/flush.sh": pathlib.Path(__file__).with_name("flush.sh"),
        "usr/sbin/nginx": which("nginx"),
        "etc/nginx/nginx.conf": configuration,
        # nginx looks up www-data.
        "etc/passwd": "/etc/passwd",
        "etc/group": "/etc/group",
    }
    files |= {library.lstrip("/"): library for library in libraries}
    files |= {directory: empty for directory in ("tmp", "var/lib/nginx", "var/log/nginx")}
    links = {f"bin/{applet}": "busybox" for applet in output("busybox", "--list").split() if applet != "busybox"}
    return tar(path, files, links)


def builder(path, podinit):
    """What the Dockerfile asks of its builder: a cargo that leaves target/release/podinit."""
    cargo = path.with_name("cargo")
    cargo.write_text("#!/bin/sh\nmkdir -p target/release && cp /podinit target/release/podinit\n")
    cargo.chmod(0o755)
    links = {f"bin/{applet}": "busybox" for applet in ("sh", "mkdir", "cp")}
    return tar(path, {"bin/busybox": which("busybox"), "bin/cargo": cargo, "podinit": podinit}, links)


def tar(path, files, links=None):
    with tarfile.open(path, "w", dereference=True) as archive:
        for name, source in files.items():
            archive.add(source, name)
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    return path


def which(program):
    return output("which", program).strip()


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
