"""What a machine boots: an archive of podinit, of busybox or a Debian's files, and of the scripts in inside/."""
import pathlib
import shutil
import subprocess
import tempfile

import cache

INSIDE = pathlib.Path(__file__).resolve().parent / "inside"
APPLETS = """awk cat cut date echo env grep hostname id kill ls mkdir mkfifo mount mv nsenter ps readlink reboot rm sed seq
    setsid sh sleep stat stty sync tail test timeout touch tr true uname unshare usleep wc""".split()


def write(archive, folder):
    """Appends the files of a folder. The kernel takes archives one after the other."""
    # cpio fills up to a whole block.
    subprocess.run("find . -print0 | cpio --quiet --null --create --format=newc", shell=True, cwd=folder, stdout=archive,
                   check=True)


def small(archive, podinit, busybox):
    """podinit, busybox and the scripts."""
    with tempfile.TemporaryDirectory(prefix="podinit-machines-") as name:
        root = pathlib.Path(name)
        root.chmod(0o755)
        for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            (root / folder).mkdir()
        shutil.copy(busybox, root / "bin/busybox")
        for applet in APPLETS:
            (root / "bin" / applet).symlink_to("busybox")
        shutil.copy(podinit, root / "podinit")
        for script in INSIDE.iterdir():
            shutil.copy(script, root)
        (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\napp:x:1000:100::/tmp:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\nusers:x:100:\n")
        cache.run(["mknod", "-m", "600", str(root / "dev/console"), "c", "5", "1"])
        cache.run(["mknod", "-m", "666", str(root / "dev/null"), "c", "1", "3"])
        write(archive, root)
