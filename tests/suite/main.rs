//! Tests of the podinit binary as its users run it: in real namespaces, with real programs.

mod attacks;
mod exiting;
mod forwarding;
mod hidden;
mod load;
mod logging;
mod names;
mod pod;
mod postgres;
mod readme;
mod reaping;
mod starting;
mod stopping;
mod support;
mod terminal;
mod workloads;
