//! The promise that all else rests on, held against the real kernel in every mode: each client is
//! served by the slot that the digit rule names and that `sticky which` tells.
//!
//! The other promises that do not depend on the mode are `in_every_mode!` of their own modules.

use harness::http::{for_each, whoami};
use harness::{Mode, Sticky, addresses, binaries, digit_slot, edge_addresses};

in_every_mode!(each_client_is_where_the_rule_and_which_say);

/// Numbers of workers, and how many clients are tried beside those at the edges.
const CASES: [(u32, usize); 10] = [
    (1, 2000),
    (2, 2000),
    (3, 2000),
    (4, 2000),
    (5, 2000),
    (7, 2000),
    (8, 2000),
    (16, 2000),
    (64, 500),
    (256, 500),
];

fn each_client_is_where_the_rule_and_which_say(mode: Mode) {
    for (workers, clients) in CASES {
        let options = Sticky::new(mode, workers).with("--ready-timeout", "2m");
        let sticky = options.worker([binaries::test_worker()]).start();
        let clients = [edge_addresses(), addresses(clients)].concat();
        let answers = for_each(&clients, |&client| whoami(client, sticky.address()).unwrap());
        let told = sticky.which(&clients);

        let exceptions: Vec<String> = clients
            .iter()
            .zip(answers.iter().zip(told))
            .map(|(client, (served, told))| (client, digit_slot(*client, workers), served, told))
            .filter(|(_, rule, served, told)| served.slot != *rule || told != rule)
            .map(|(client, rule, served, told)| {
                format!("{client}: rule {rule}, served by {}, which tells {told}", served.slot)
            })
            .collect();
        assert!(exceptions.is_empty(), "{mode:?} with {workers} workers: {exceptions:#?}");
        for (client, answer) in clients.iter().zip(answers) {
            assert_eq!((answer.peer.ip(), answer.mode.as_str()), ((*client).into(), mode.name()));
        }
        sticky.stop();
    }
}
