/* Behaves as the pause process of Kubernetes (build/pause/linux/pause.c there): reaps, and exits with 0 on SIGINT and
 * SIGTERM. The kernel drops every other signal, as for any PID 1 without a handler. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void terminate(int signal) {
    (void)signal;
    _exit(0);
}

static void reap(int signal) {
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int main(void) {
    const struct sigaction terminates = {.sa_handler = terminate};
    const struct sigaction reaps = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    if (sigaction(SIGINT, &terminates, NULL) < 0 || sigaction(SIGTERM, &terminates, NULL) < 0 ||
        sigaction(SIGCHLD, &reaps, NULL) < 0)
        return EXIT_FAILURE;
    for (;;)
        pause();
}
