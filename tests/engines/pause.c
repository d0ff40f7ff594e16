/* Does what Kubernetes' pause does (build/pause/linux/pause.c there): reaps, exits with 0 on INT and TERM, and lets
 * the kernel drop all else, as it does for a PID 1 without a handler. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int signal) {
    (void)signal;
    _exit(0);
}

static void reap(int signal) {
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int main(void) {
    const struct sigaction leaves = {.sa_handler = leave};
    const struct sigaction reaps = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    if (sigaction(SIGINT, &leaves, NULL) < 0 || sigaction(SIGTERM, &leaves, NULL) < 0 ||
        sigaction(SIGCHLD, &reaps, NULL) < 0)
        return EXIT_FAILURE;
    for (;;)
        pause();
}
