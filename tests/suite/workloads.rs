//! Programs that often run in containers.

use std::fs;

use crate::support::{Running, as_pid_1, children_of, eventually, have, helper, scratch, status_field};

/// nginx with a configuration of its own. It listens on a Unix socket.
fn nginx(options: &[&str]) -> Option<Running> {
    if !have("nginx") {
        return None;
    }
    let dir = scratch("nginx");
    let conf = dir.join("nginx.conf");
    let text = format!(
        "user root root; error_log stderr notice; pid {0}/pid; worker_processes 2; events {{}}
         http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;
                 uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; server {{ listen unix:{0}/socket; }} }}",
        dir.display()
    );
    fs::write(&conf, text).unwrap();
    let conf = conf.to_str().unwrap();
    let program = ["nginx", "-e", "stderr", "-c", conf, "-g", "daemon off;"];
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let run = Running::start(as_pid_1(&[options, &program[..]].concat()).env("PATH", path));
    eventually("nginx listens", || dir.join("socket").exists());
    run.wait_for_stderr("start worker process");
    Some(run)
}

#[test]
fn nginx_reloads_on_hup_and_exits_on_quit() {
    for options in [&[][..], &["--target", "child"]] {
        println!("case: {options:?}");
        let Some(run) = nginx(options) else { return };
        let master = children_of(run.init())[0];
        eventually("nginx has two workers", || children_of(master).len() == 2);
        let workers = children_of(master);
        run.signal_init(libc::SIGHUP);
        eventually("nginx has two new workers and no old ones", || {
            let now = children_of(master);
            now.len() == 2 && !now.iter().any(|pid| workers.contains(pid))
        });
        assert_eq!(children_of(run.init()), [master], "{options:?}");
        run.signal_init(libc::SIGQUIT);
        let run = run.finish();
        assert_eq!(run.code, Some(0), "{options:?}: {run:?}");
        assert!(run.stderr.contains("gracefully shutting down"), "{options:?}: {run:?}");
    }
}

#[test]
fn bash_runs_its_traps() {
    let script = "trap 'echo hup' HUP; trap 'echo term; exit 12' TERM; echo ready; while :; do sleep 1000 & wait; done";
    let mut run = Running::start(&mut as_pid_1(&["bash", "-c", script]));
    run.wait_for("ready");
    run.signal_init(libc::SIGHUP);
    run.wait_for("hup");
    run.signal_init(libc::SIGTERM);
    run.wait_for("term");
    assert_eq!(run.finish().code, Some(12));
}

#[test]
fn python_is_interrupted() {
    let mut run = Running::start(&mut as_pid_1(&["python3", &helper("keyboard.py")]));
    run.wait_for("ready");
    run.signal_init(libc::SIGINT);
    run.wait_for("interrupted");
    assert_eq!(run.finish().code, Some(9));
}

#[test]
fn init_itself_is_small() {
    // It maps no library, has one thread, and its name is podinit.
    let mut run = Running::start(&mut as_pid_1(&["sh", "-c", "echo ready; exec sleep 1000"]));
    run.wait_for("ready");
    let maps = fs::read_to_string(format!("/proc/{}/maps", run.init())).unwrap();
    assert!(!maps.contains(".so"), "{maps}");
    assert_eq!(status_field(run.init(), "Name"), "podinit");
    assert_eq!(status_field(run.init(), "Threads"), "1");
}
