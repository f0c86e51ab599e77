//! Which node of a cluster carries which channels.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use redis::Value;
use redis::cluster_routing::Slot;

/// A node's host and port.
pub(super) type Address = (String, u16);

/// A cluster shares its channels out by slot, of which there are so many.
const SLOTS: u16 = 16_384;

/// The owner of each slot that has one.
#[derive(Debug, Default)]
pub(super) struct Slots {
    owners: HashMap<Slot, Arc<Address>>,
}

impl Slots {
    /// Reads the answer to `CLUSTER SLOTS`. `asked` is the host of the node that answered: it
    /// leaves out its own name when it knows no better one. `None` for anything else.
    pub(super) fn read(answer: &Value, asked: &str) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let mut owners = HashMap::new();
        for range in ranges {
            let Value::Array(range) = range else { return None };
            // Behind the owner stand its replicas.
            let [Value::Int(first), Value::Int(last), Value::Array(owner), ..] = &range[..] else {
                return None;
            };
            let owner = Arc::new(address(owner, asked)?);
            for slot in u16::try_from(*first).ok()?..=u16::try_from(*last).ok()? {
                owners.insert(Slot::new(slot)?, Arc::clone(&owner));
            }
        }
        Some(Self { owners })
    }

    /// The node that carries a channel.
    pub(super) fn owner(&self, channel: &str) -> Option<&Address> {
        self.owners.get(&Slot::for_key(channel)).map(Arc::as_ref)
    }

    /// All nodes that carry any.
    pub(super) fn addresses(&self) -> BTreeSet<&Address> {
        self.owners.values().map(Arc::as_ref).collect()
    }

    /// How many slots nobody carries.
    pub(super) fn missing(&self) -> usize {
        usize::from(SLOTS) - self.owners.len()
    }
}

fn address(owner: &[Value], asked: &str) -> Option<Address> {
    let [host, Value::Int(port), ..] = owner else { return None };
    let host = match host {
        Value::BulkString(host) => str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        Value::Nil => "",
        _ => return None,
    };
    // "?" is a node that was told to tell a name, and was told none.
    let host = if ["", "?"].contains(&host) { asked } else { host };
    Some((host.to_owned(), u16::try_from(*port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let id = Value::BulkString(b"0123".into());
        let owner = Value::Array(vec![host, Value::Int(port), id, Value::Array(Vec::new())]);
        let replica = Value::Array(vec![Value::Nil, Value::Int(1), Value::Nil]);
        Value::Array(vec![Value::Int(first), Value::Int(last), owner, replica])
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn each_channel_has_the_owner_of_its_slot() {
        let answer = Value::Array(vec![
            range(0, 5_460, text("10.0.0.1"), 6379),
            range(5_461, 10_922, Value::Nil, 7000),
            range(10_923, 12_181, text("?"), 7001),
            // "foo" is in slot 12182.
            range(12_182, 12_182, text("node.example"), 6379),
        ]);
        let slots = Slots::read(&answer, "asked").unwrap();
        assert_eq!(slots.owner("foo"), Some(&("node.example".into(), 6379)));
        assert_eq!(slots.owner("any{foo}thing"), Some(&("node.example".into(), 6379)));
        assert_eq!(slots.addresses().len(), 4);
        assert!(slots.addresses().contains(&("asked".into(), 7000)));
        assert!(slots.addresses().contains(&("asked".into(), 7001)));
        assert_eq!(slots.missing(), 16_383 - 12_182);
        assert_eq!(Slots::default().owner("foo"), None);
    }

    #[test]
    fn other_answers_are_none() {
        for answer in [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![Value::Array(Vec::new())]),
            Value::Array(vec![range(0, 16_384, text("h"), 1)]),
            Value::Array(vec![range(-1, 1, text("h"), 1)]),
            Value::Array(vec![range(0, 1, text("h"), 65_536)]),
            Value::Array(vec![range(0, 1, Value::Int(1), 1)]),
        ] {
            assert!(Slots::read(&answer, "asked").is_none(), "{answer:?}");
        }
    }
}
