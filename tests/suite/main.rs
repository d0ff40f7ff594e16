//! Tests of the podinit binary as its users run it: in real namespaces, with real programs.

mod attacks; // senders without capabilities
mod diagnose; // --diagnose
mod exec_errors; // why a program cannot be executed
mod exiting; // the exit status
mod expanding; // --expand-env
mod explaining; // --explain
mod forwarding; // signals to the workload
mod hidden; // what /proc does not show
mod load; // floods, and system calls that fail
mod logging; // the log
mod names; // other inits' names
mod nested; // --as-pid-1
mod packaging; // the manual page and the completions
mod pod; // pod mode
mod postgres; // PostgreSQL behind a shell
mod readme; // README.md's claims
mod reaping; // orphans
mod starting; // what the workload starts with
mod stopping; // the remaining processes
mod support; // what the tests share
mod terminal; // job control
mod termination_log; // --termination-log
mod watching; // files that change
mod workloads; // programs that often run in containers
