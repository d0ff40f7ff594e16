/* The least a process can do: say on descriptor 3 when it began, and exit. It has no C library to start up.
 * What an init costs is counted in multiples of this. */
#include <sys/syscall.h>
#include <time.h>

static long syscall3(long number, long a, long b, long c)
{
    long answer;
    __asm__ volatile("syscall" : "=a"(answer) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return answer;
}

void _start(void)
{
    struct timespec began;
    syscall3(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&began, 0);
    syscall3(SYS_write, 3, (long)&began, sizeof began);
    syscall3(SYS_exit, 0, 0, 0);
    __builtin_unreachable();
}
