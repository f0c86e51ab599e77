//! A supervisor that is killed, and the next one, while clients are at work.

use harness::http::{connect, read_whoami, send_get, whoami};
use harness::{Crowd, Mode, Sticky, addresses_of_slot, send, wait_until};
use rustix::process::Signal;

in_every_mode!(
    nobody_notices_five_in_a_row,
    with_other_options_it_leaves_the_orphans_alone,
    without_orphans_everything_is_new,
    a_keeper_that_is_killed_has_a_successor,
);

const WORKERS: u32 = 2;

fn nobody_notices_five_in_a_row(mode: Mode) {
    const KILLS: u32 = 5;

    let mut sticky = Sticky::new(mode, WORKERS).start();
    let address = sticky.address();
    let mut crowd = Crowd::start(&sticky, 1);
    for number in 1..=KILLS {
        let orphans = sticky.workers();
        sticky.kill_supervisor();
        if mode != Mode::FdPassing {
            crowd.wait_for_all();
        }
        sticky.start_again();
        assert_eq!(sticky.address(), address);
        assert_eq!(sticky.status().takeovers, number);
        sticky.wait_for_other_workers(&orphans);
        crowd.wait_for_all();
    }
    crowd.stop_unharmed();
    sticky.stop();
}

fn with_other_options_it_leaves_the_orphans_alone(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).start();
    let crowd = Crowd::start(&sticky, 1);
    let orphans = sticky.workers();
    sticky.kill_supervisor();
    let ended = sticky.fail_again("--workers", "3");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    for part in [
        "error: workers of an earlier supervisor serve this port with",
        "--workers 2",
        "--workers 3",
        "start it with the same options to take over, or end those workers first",
    ] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }

    // Where nobody accepts meanwhile, clients wait.
    let clients = (0..WORKERS).map(|slot| addresses_of_slot(slot, WORKERS, 20)[19]);
    let connections: Vec<_> = clients
        .map(|client| {
            let stream = connect(client, sticky.address()).unwrap();
            send_get(&stream, "/whoami").unwrap();
            stream
        })
        .collect();
    let serve = |by: &dyn Fn(usize, u32)| {
        for (slot, stream) in connections.iter().enumerate() {
            let answer = read_whoami(stream).unwrap();
            assert_eq!(answer.slot as usize, slot);
            by(slot, answer.pid);
        }
    };
    if mode == Mode::FdPassing {
        sticky.start_again();
        serve(&|_, _| ());
    } else {
        serve(&|slot, pid| assert_eq!(pid, orphans[slot], "the orphans go on"));
        sticky.start_again();
    }
    sticky.wait_for_other_workers(&orphans);
    crowd.stop_unharmed();
    sticky.stop();
}

fn without_orphans_everything_is_new(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).start();
    let orphans = sticky.workers();
    sticky.kill_supervisor();
    for &orphan in &orphans {
        send(orphan, Signal::KILL);
    }
    wait_until("the keeper goes when nobody is left", || {
        sticky.processes().is_empty().then_some(())
    });

    sticky.start_again();
    assert_eq!(sticky.status().takeovers, 0);
    for slot in 0..WORKERS {
        let client = addresses_of_slot(slot, WORKERS, 1)[0];
        let answer = whoami(client, sticky.address()).unwrap();
        assert_eq!((answer.slot, answer.pid), (slot, sticky.worker(slot)));
    }
    sticky.stop();
}

fn a_keeper_that_is_killed_has_a_successor(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).start();
    let keeper = || {
        let processes = sticky.processes();
        let keeper = processes.iter().find(|process| process.contains("sticky keep"))?;
        keeper.split(' ').next()?.parse::<u32>().ok()
    };
    let before = keeper().unwrap();
    send(before, Signal::KILL);
    wait_until("another keeper", || keeper().filter(|&keeper| keeper != before));
    sticky.stderr.wait_for_text("the keeper has ended; starting another one");
    let orphans = sticky.workers();
    // It answers only after it has given everything to the new keeper.
    assert_eq!(sticky.status().takeovers, 0);
    sticky.kill_supervisor();
    sticky.start_again();
    assert_eq!(sticky.status().takeovers, 1);
    sticky.wait_for_other_workers(&orphans);
    sticky.stop();
}
