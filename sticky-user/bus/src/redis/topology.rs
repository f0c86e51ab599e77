//! Which node of a cluster has the bus's channels.
//!
//! All channels of the bus are in one hash slot, so that one connection is enough. Nearly all that is said
//! goes through one channel for each namespace anyway, which no cluster can share out.

use std::collections::BTreeSet;

use redis::{AsyncConnectionConfig, Cmd, ProtocolVersion, Value, cmd};

use super::server::Server;

/// What the names of the bus's channels begin with in a cluster: what is in braces says which slot they
/// are in, whatever follows.
pub(super) const PREFIX: &str = "{socket.io}";

/// The hash slot of [`PREFIX`].
pub(super) const HASH_SLOT: i64 = 9_972;

/// A node's host and port.
pub(super) type Address = (String, u16);

/// What one node of a cluster knows of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topology {
    /// The node that has the bus's hash slot.
    pub(super) owner: Option<Address>,
    /// All nodes that have any slot.
    pub(super) nodes: BTreeSet<Address>,
}

impl Topology {
    /// The question to which a node answers with what it knows.
    pub(super) fn question() -> Cmd {
        cmd("CLUSTER").arg("SLOTS").to_owned()
    }

    /// Reads the answer. `asked` is the host of the node that answered: it leaves out its own name when it
    /// knows no better one.
    pub(super) fn read(answer: &Value, asked: &str) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let mut topology = Self { owner: None, nodes: BTreeSet::new() };
        for range in ranges {
            let Value::Array(range) = range else { return None };
            // Behind the node stand its replicas.
            let [Value::Int(first), Value::Int(last), Value::Array(node), ..] = &range[..] else {
                return None;
            };
            let node = address(node, asked)?;
            if (*first..=*last).contains(&HASH_SLOT) {
                topology.owner = Some(node.clone());
            }
            topology.nodes.insert(node);
        }
        Some(topology)
    }

    /// Asks a node over a connection of its own.
    pub(super) async fn ask(node: &Server) -> Result<Self, String> {
        let answer = async {
            let config = AsyncConnectionConfig::new();
            let mut connection = node.connect(ProtocolVersion::RESP2, config).await?;
            node.within_limit(Self::question().query_async::<Value>(&mut connection)).await
        };
        let answer = answer.await.map_err(|error| error.reason())?;
        Self::read(&answer, node.host()).ok_or_else(|| "it is not a node of a cluster".into())
    }
}

fn address(node: &[Value], asked: &str) -> Option<Address> {
    let [host, Value::Int(port), ..] = node else { return None };
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
    fn the_hash_slot_is_that_of_the_prefix() {
        // CRC-16/XMODEM, as the specification of Redis Cluster has it.
        let in_braces = PREFIX.trim_matches(['{', '}']);
        let crc = in_braces.bytes().fold(0_u16, |crc, byte| {
            (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            })
        });
        assert_eq!(i64::from(crc % 16_384), HASH_SLOT);
    }

    #[test]
    fn the_owner_is_the_one_of_the_hash_slot() {
        let others = [
            range(0, HASH_SLOT - 1, text("10.0.0.1"), 6379),
            range(HASH_SLOT + 1, 16_383, text("?"), 7001),
        ];
        let read =
            |ranges: &[Value]| Topology::read(&Value::Array(ranges.to_vec()), "asked").unwrap();
        let mut nodes = BTreeSet::from([("10.0.0.1".into(), 6379), ("asked".into(), 7001)]);
        assert_eq!(read(&others), Topology { owner: None, nodes: nodes.clone() });
        for (host, name) in [(text("node.example"), "node.example"), (Value::Nil, "asked")] {
            let own = range(HASH_SLOT, HASH_SLOT, host, 7000);
            let owner: Address = (name.into(), 7000);
            let mut nodes = nodes.clone();
            nodes.insert(owner.clone());
            let all = [own, others[0].clone(), others[1].clone()];
            assert_eq!(read(&all), Topology { owner: Some(owner), nodes });
        }
        nodes.clear();
        assert_eq!(read(&[]), Topology { owner: None, nodes });
    }

    #[test]
    fn other_answers_are_none() {
        for answer in [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![Value::Array(Vec::new())]),
            Value::Array(vec![range(0, 1, text("h"), 65_536)]),
            Value::Array(vec![range(0, 1, Value::Int(1), 1)]),
        ] {
            assert!(Topology::read(&answer, "asked").is_none(), "{answer:?}");
        }
    }
}
