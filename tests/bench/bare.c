/* The smallest workload: it writes the time of its start to descriptor 3, and exits. It has no C library. The cost
 * of an init is given as a multiple of its time. */
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
