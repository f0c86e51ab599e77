//! What each algorithm made of the addresses.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use serde::Serialize;
use sticky_benches::algorithms::{ALGORITHMS, Client, digits_exactly};
use sticky_ebpf::Mapping;

use crate::criterion;
use crate::family::Family;
use crate::javascript::Javascript;

/// The rule whose numbers JavaScript cannot hold.
const ROUNDED: &str = "simple_loop";

/// All algorithms on the addresses of a family.
#[derive(Serialize)]
pub(crate) struct Outcomes {
    pub(crate) family: Family,
    pub(crate) algorithms: Vec<Outcome>,
    /// Addresses whose slot is another one because the number was rounded.
    pub(crate) rounded: usize,
}

/// One algorithm.
#[derive(Serialize)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    /// Per address, in Rust, from a list of many.
    pub(crate) nanoseconds: f64,
    /// Of the same address again and again, by Criterion.
    pub(crate) in_cache: Option<f64>,
    pub(crate) javascript: Option<Beside>,
    /// Addresses per slot.
    pub(crate) scatter: Vec<usize>,
    /// Addresses for which there is no slot.
    pub(crate) not_a_number: usize,
}

/// The same algorithm in JavaScript.
#[derive(Serialize)]
pub(crate) struct Beside {
    pub(crate) nanoseconds: f64,
    /// Addresses that have another slot there.
    pub(crate) different: usize,
}

impl Outcomes {
    pub(crate) fn of(
        family: Family,
        clients: &[Client],
        mapping: &Mapping,
        javascript: Option<HashMap<String, Javascript>>,
    ) -> Self {
        let javascript = javascript.unwrap_or_default();
        let mut rounded = 0;
        let algorithms = ALGORITHMS.map(|(name, algorithm)| {
            let mut slots = Vec::with_capacity(clients.len());
            let start = Instant::now();
            for client in clients {
                slots.push(algorithm(black_box(client), mapping));
            }
            let nanoseconds = per_address(start.elapsed().as_secs_f64() * 1e9, clients);
            if name == ROUNDED {
                let workers = u128::from(mapping.slots().get());
                let differs = |&(client, slot): &(&Client, &Option<u32>)| {
                    slot.map(u128::from) != Some(digits_exactly(&client.text) % workers)
                };
                rounded = clients.iter().zip(&slots).filter(differs).count();
            }
            let beside = javascript.get(name).map(|other| Beside {
                nanoseconds: per_address(other.nanoseconds, clients),
                different: different(&slots, &other.slots),
            });
            let mut scatter = vec![0; mapping.slots().get() as usize];
            for slot in slots.iter().flatten() {
                scatter[*slot as usize] += 1;
            }
            let not_a_number = slots.iter().filter(|slot| slot.is_none()).count();
            let in_cache = criterion::nanoseconds(family, name);
            Outcome { name, nanoseconds, in_cache, javascript: beside, scatter, not_a_number }
        });
        Self { family, algorithms: algorithms.into(), rounded }
    }
}

impl Outcome {
    /// How far the slot that is farthest from an even share is from it, in per cent of that share.
    #[expect(clippy::cast_precision_loss, reason = "millions")]
    pub(crate) fn unevenness(&self) -> f64 {
        let even = self.scatter.iter().sum::<usize>() as f64 / self.scatter.len() as f64;
        let distances = self.scatter.iter().map(|&count| (count as f64 / even - 1.0).abs());
        distances.fold(0.0, f64::max) * 100.0
    }
}

fn different(here: &[Option<u32>], there: &[Option<u32>]) -> usize {
    let pairs = here.iter().zip(there).filter(|(here, there)| here != there).count();
    pairs + here.len().abs_diff(there.len())
}

#[expect(clippy::cast_precision_loss, reason = "millions")]
fn per_address(nanoseconds: f64, clients: &[Client]) -> f64 {
    nanoseconds / clients.len() as f64
}
