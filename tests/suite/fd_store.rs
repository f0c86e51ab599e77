//! Sockets that are stored with the service manager outlive every process of the service.

use harness::{Mode, addresses, digit_slot, kill_all_and_start_again};

in_every_mode!(who_connects_while_nobody_is_there_is_served);

fn who_connects_while_nobody_is_there_is_served(mode: Mode) {
    const WORKERS: u32 = 3;

    let clients = addresses(50);
    let outcome = kill_all_and_start_again(mode, WORKERS, &clients);
    let expected: Vec<u32> = clients.iter().map(|&client| digit_slot(client, WORKERS)).collect();
    assert_eq!(outcome.slots, expected);
    assert_eq!(outcome.code, 0);
    assert!(outcome.left.is_empty(), "what is stored is taken back at the end: {outcome:?}");
}
