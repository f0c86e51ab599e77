//! The requests of socketioxide-redis's adapter, as far as the mesh has to understand them.
//!
//! A request is the MessagePack array `[node, id, type, ...]` on the channel
//! `PREFIX-request#NAMESPACE#`, with `NODE#` behind it when it is for one worker; it is answered on
//! `PREFIX-response#NAMESPACE#NODE#` by `[id, answer]`. (socketioxide-redis 0.4, `RequestOut`.)

use std::str::FromStr;

use socketioxide_core::Sid;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Acks,
    Rooms,
    Sockets,
}

/// A request that is responded to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: Sid,
    pub(super) kind: Kind,
    /// The channel of its responses.
    pub(super) responses: String,
    /// Whether it is for one worker alone.
    pub(super) to_one: bool,
}

impl Request {
    /// `None` for everything that is not responded to.
    pub(super) fn read(channel: &str, mut payload: &[u8]) -> Option<Self> {
        let (prefix, rest) = channel.split_once("-request#")?;
        let (namespace, to) = rest.split_once('#')?;
        rmp::decode::read_array_len(&mut payload).ok()?;
        let node = read_id(&mut payload)?;
        let id = read_id(&mut payload)?;
        let kind = match rmp::decode::read_int(&mut payload).ok()? {
            1 => Kind::Acks,
            3 => Kind::Rooms,
            6 => Kind::Sockets,
            _ => return None,
        };
        let responses = format!("{prefix}-response#{namespace}#{node}#");
        Some(Self { id: Sid::from_str(&id).ok()?, kind, responses, to_one: !to.is_empty() })
    }
}

fn read_id(payload: &mut &[u8]) -> Option<String> {
    let length = rmp::decode::read_str_len(payload).ok()?;
    let (text, rest) = payload.split_at_checked(length as usize)?;
    *payload = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use socketioxide_core::Uid;
    use socketioxide_core::adapter::BroadcastOptions;
    use socketioxide_core::adapter::remote_packet::{RequestOut, RequestTypeOut};

    use super::*;

    #[test]
    fn the_adapters_own_requests() {
        let node = Uid::new();
        let options = BroadcastOptions::new(Sid::ZERO);
        let rooms = Vec::new();
        for (kind, r#type) in [
            (Some(Kind::Rooms), RequestTypeOut::AllRooms),
            (Some(Kind::Sockets), RequestTypeOut::FetchSockets),
            (None, RequestTypeOut::DisconnectSockets),
            (None, RequestTypeOut::AddSockets(&rooms)),
        ] {
            let request = RequestOut::new(node, r#type, &options);
            let payload = rmp_serde::to_vec(&request).unwrap();
            let responses = format!("socket.io-response#/chat#{node}#");
            for (channel, to_one) in
                [("socket.io-request#/chat#", false), ("socket.io-request#/chat#abc#", true)]
            {
                let responses = responses.clone();
                let expected = kind.map(|kind| Request { id: request.id, kind, responses, to_one });
                assert_eq!(Request::read(channel, &payload), expected);
            }
            assert_eq!(Request::read("socket.io-response#/chat#abc#", &payload), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_will_do(channel: String, payload: Vec<u8>) {
            Request::read(&channel, &payload);
            Request::read("x-request#/#", &payload);
        }
    }
}
