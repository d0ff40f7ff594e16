//! PostgreSQL under podinit: SIGTERM, SIGINT and SIGQUIT have the effects that its manual describes, and no restart
//! after SIGTERM or SIGINT needs recovery.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{
    Running, eventually, have, in_namespace_as_current_user, is_root, podinit, scratch, skipped,
};

/// A database cluster, as a user that may run it: PostgreSQL refuses root.
struct Cluster {
    dir: PathBuf,
    bin: PathBuf,
}

impl Cluster {
    fn new() -> Option<Cluster> {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let bin = versions.map(|entry| entry.path().join("bin")).find(|bin| bin.join("initdb").exists());
        let Some(bin) = bin else {
            skipped("needs Debian's postgresql, which is not installed");
            return None;
        };
        let dir = scratch("postgres");
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(&dir).status().expect("chown").success());
        }
        let cluster = Cluster { dir, bin };
        let made = cluster
            .command("initdb")
            .args(["-U", "postgres", "--no-sync", "-A", "trust", "-D"])
            .arg(cluster.data())
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("initdb").success());
        Some(cluster)
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// The beginning of a command line that runs a command as the cluster's user.
    fn as_its_user() -> &'static [&'static str] {
        if is_root() {
            &["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        } else {
            &["env"]
        }
    }

    fn command(&self, program: &str) -> Command {
        let [first, others @ ..] = Cluster::as_its_user() else { unreachable!() };
        let mut command = Command::new(first);
        command.args(others).arg(self.bin.join(program)).current_dir(&self.dir).env("HOME", &self.dir);
        command
    }

    /// Starts the server under `init`, by a shell script that does not exec if `in_shell`.
    fn start(&self, init: &[&str], in_shell: bool) -> Running {
        let _ = fs::remove_file(self.dir.join("log"));
        let (bin, dir) = (self.bin.display(), self.dir.display());
        let server = format!("{bin}/postgres -D {dir}/data -k {dir} -c listen_addresses= >>{dir}/log 2>&1");
        // (With the server in the foreground, dash and bash handle SIGINT only after the server has exited.)
        let script = if in_shell { format!("{server} & wait $!") } else { format!("exec {server}") };
        let mut command = in_namespace_as_current_user(init[0]);
        command
            .args(&init[1..])
            .args(Cluster::as_its_user())
            .args(["sh", "-c", &script])
            .env("LC_ALL", "C.UTF-8")
            .current_dir(&self.dir);
        let run = Running::start(&mut command);
        eventually("the server is ready", || self.log().contains("ready to accept connections"));
        run
    }

    /// A client that holds a connection until its stdin ends.
    fn client(&self) -> Running {
        let mut command = self.command("psql");
        command.args(["-U", "postgres", "-d", "postgres", "-At", "-f", "-", "-h"]).arg(&self.dir);
        let mut client = Running::start_with_stdin(&mut command, Stdio::piped());
        // The checkpoint of a shutdown has to write this, so that the shutdown takes some time.
        let work = "drop table if exists t; create table t as select generate_series(1, 1000000) as n;";
        writeln!(client.stdin(), "{work} select 'connec' || 'ted';").unwrap();
        client.wait_for("connected");
        client
    }

    /// Whether the next start has to recover the data.
    fn needs_recovery(&self) -> bool {
        let run = self.start(&[podinit().to_str().unwrap(), "--target", "child"], false);
        run.signal_init(libc::SIGINT);
        run.finish();
        self.log().contains("was not properly shut down")
    }
}

#[test]
fn a_fast_shutdown_behind_a_shell_is_awaited() {
    if !have("tini") || !have("psql") {
        return;
    }
    let Some(cluster) = Cluster::new() else { return };
    // However long the checkpoint takes.
    let run = cluster.start(&[podinit().to_str().unwrap(), "--grace", "1h"], true);
    let _client = cluster.client();
    run.signal_init(libc::SIGINT);
    let run = run.finish();
    let log = cluster.log();
    assert!(log.contains("fast shutdown") && log.contains("database system is shut down"), "{log}");
    assert!(!cluster.needs_recovery(), "{log}");
    // SIGINT killed the shell at once, and this is the exit status.
    assert_eq!(run.code, Some(130), "{run:?}");

    // The same under tini: the shell is killed, tini exits, and the kernel kills the server before it has shut down.
    let run = cluster.start(&["tini", "-g", "--"], true);
    let _client = cluster.client();
    run.signal_init(libc::SIGINT);
    run.finish();
    let log = cluster.log();
    assert!(!log.contains("database system is shut down"), "{log}");
    assert!(cluster.needs_recovery(), "{log}");
}

#[test]
fn with_target_child_its_manual_applies() {
    if !have("psql") {
        return;
    }
    let Some(cluster) = Cluster::new() else { return };
    let podinit = podinit().to_str().unwrap();
    let start = || cluster.start(&[podinit, "--target", "child"], false);

    // Smart: a client that is connected may finish.
    let run = start();
    let mut client = cluster.client();
    run.signal_init(libc::SIGTERM);
    eventually("the server has received SIGTERM", || cluster.log().contains("smart shutdown"));
    client.stdin().write_all(b"select 'still ' || 'here';\n").unwrap();
    client.wait_for("still here");
    assert_eq!(client.finish().code, Some(0));
    assert_eq!(run.finish().code, Some(0));
    assert!(!cluster.needs_recovery());

    // Fast: the server does not wait for clients.
    let run = start();
    let client = cluster.client();
    run.signal_init(libc::SIGINT);
    assert_eq!(run.finish().code, Some(0));
    assert!(cluster.log().contains("fast shutdown"), "{}", cluster.log());
    client.finish();
    assert!(!cluster.needs_recovery());

    // Immediate: the next start has to recover the data.
    let run = start();
    run.signal_init(libc::SIGQUIT);
    run.finish();
    assert!(cluster.log().contains("immediate shutdown"), "{}", cluster.log());
    assert!(cluster.needs_recovery());
}
