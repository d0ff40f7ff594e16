"""The numbers of system calls on this machine that the C library has no function for, or another one than is wanted."""
import os

CLONE, RT_SIGPROCMASK, RT_SIGTIMEDWAIT, RT_SIGQUEUEINFO = {
    "x86_64": (56, 14, 128, 129), "aarch64": (220, 135, 137, 138), "riscv64": (220, 135, 137, 138),
    "armv7l": (120, 175, 177, 178), "i686": (120, 175, 177, 178), "s390x": (120, 175, 177, 178),
    "ppc64le": (120, 174, 176, 177),
}[os.uname().machine]
# What clone(2) takes first and second. The others are 0 wherever it is called here.
IS_STACK_FIRST = os.uname().machine == "s390x"
