//! podinit as its users meet it: the real binary, in real namespaces, with real programs.

mod exiting;
mod forwarding;
mod logging;
mod reaping;
mod starting;
mod support;

mod terminal;
mod workloads;
