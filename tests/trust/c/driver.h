/* The driver: it starts inits in PID namespaces of their own, and checks the outcome. */
#ifndef DRIVER_H
#define DRIVER_H

#include "common.h"

/* A round that takes longer has hung. It is longer than a process waits on a busy machine, and shorter than the
 * deadlines of the init under test in the rounds that must not reach them. */
#define HANG_MS 4000

/* A case that hangs this often is not run to its end. */
#define HANGS 3

/* The command line. */
extern const char *init_path;
extern const char *actor_path;
extern long rounds;

/* An init that runs. */
struct init {
    pid_t pid;
    int pidfd;
};

/* How to start one. */
struct start {
    /* From argument 1 on; ends in NULL. */
    const char *const *args;
    /* In place of the init under test. */
    const char *program;
    /* As an ordinary process, not as PID 1 of a namespace of its own. */
    bool as_process;
    /* Of the new namespace; 0 leaves it as it is. */
    int pid_max;
    /* Started with SIGTERM blocked. */
    bool term_blocked;
    /* With a uid of its own, which the processes that enter its namespace have too. RLIMIT_SIGPENDING counts all
     * processes of a uid, so that the queue of root may be full because of another program. */
    bool own_user;
    /* RLIMIT_SIGPENDING; 0 leaves it as it is. */
    int pending_limit;
};

struct init start_init(const struct start *start);

/* Waits until an init exits, and returns its wait status; -1 if it does not exit in time. Then its state and that
 * of its descendants is printed, and all are killed. */
int finish_init(struct init init, int milliseconds);

/* Waits until PID 1 has SIGTERM blocked: from then on no SIGTERM can be lost. */
void await_blocked(struct init init);

/* Waits until it sleeps with its signals blocked: a pause process drops signals from inside the pod that arrive
 * before it has changed its uid. */
void await_settled(struct init init);

/* Sends a signal to an init, which may have exited. */
void signal_init(struct init init, int signal);

/* Whether this kernel has a pid_max for each PID namespace; prints on stdout if not. */
bool pids_can_be_limited(void);

/* Reaps all children that have exited, except the init. */
void reap_entered(struct init init);

/* Kills an init and all processes of its namespace, and reaps them. */
void kill_init(struct init init);

/* Whether `status` is that of a process that exited with `code`. */
bool exited_with(int status, int code);

/* Starts a process that enters the PID namespace of the init from outside (PPid 0), and the mount namespace of
 * `slot` if that is not negative: each slot is a container of its own. Returns its pid in the namespace of the
 * driver. */
pid_t enter(struct init init, int slot, const char *const args[]);

/* How many slots there may be. */
#define SLOTS 512

/* The resources of an init. */
struct footprint {
    long rss_kib;
    long private_dirty_kib;
    long descriptors;
};
struct footprint footprint_of(struct init init);

/* Prints how the footprint changed; false if it grew. */
bool compare_footprints(struct footprint before, struct footprint after);

/* Prints, on stderr, the state of a process and of its descendants. */
void describe_tree(pid_t pid);

/* Prints the stderr of the init in this round. */
void print_log(void);

/* Whether the first lines of its stderr contain this. */
bool log_has(const char *text);

/* The cases: each prints its figures in one line on stdout, and returns the driver's exit status. */
int race_main_exits(void);
int race_main_exits_as_process(void);
int race_orphan_behind_main(void);
int race_first_orphan(void);
int race_continued_and_stopped(void);
int race_first_moment(void);
int race_leader_exits(void);
int race_pod_stops(void);
int race_pids_group(void);
int race_pids_all(void);
int race_pids_pod(void);
int flood_orphans(void);
int flood_orphans_in_pod(void);
int flood_standard(void);
int flood_queued(void);
int flood_queue_full(void);
int flood_queued_in_pod(void);
int flood_grace(void);
int flood_kill_after(void);
int flood_pod_grace(void);
int flood_leaders(void);

#endif
