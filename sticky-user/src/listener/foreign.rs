//! Who else listens on the port: a program of the same user may join it.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::fs::fstat;
use sticky_contract::PerSlot;

use super::Listeners;
use super::diag::{self, Listening};

/// A listener that is none of ours, where our clients could come to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForeignListener {
    /// The number of the socket, as in `/proc/PID/fd`.
    pub inode: u64,
    /// The user that opened it.
    pub uid: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// Which of our clients it gets.
    pub takes: Takes,
}

/// Which of our clients a foreign listener gets. A program that steers chooses among the listeners of one
/// address; of two addresses the kernel takes the more specific one first, and asks nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// None: it listens on the same address, and the program that steers does not name it.
    NoneInGroup,
    /// None: ours are more specific.
    None,
    /// All who connect to this address.
    Address(IpAddr),
    /// All who connect over IPv4.
    AllIpv4,
    /// All who connect over this interface.
    Interface(u32),
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneInGroup => {
                f.write_str("gets no connection while the program that steers is attached")
            }
            Self::None => f.write_str("gets none of this server's clients"),
            Self::Address(ip) => write!(f, "takes the clients of {ip}, whatever is attached"),
            Self::AllIpv4 => f.write_str("takes all IPv4 clients, whatever is attached"),
            Self::Interface(index) => {
                write!(f, "takes the clients of interface {index}, whatever is attached")
            }
        }
    }
}

impl fmt::Display for ForeignListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a program of user {} (socket {})", self.uid, self.inode)
    }
}

impl ForeignListener {
    /// Whether clients get to it instead of to their slot.
    pub(crate) fn is_harmful(&self) -> bool {
        !matches!(self.takes, Takes::None | Takes::NoneInGroup)
    }
}

/// Finds the foreign listeners on the port of `listeners`.
pub(crate) fn find(listeners: &Listeners) -> io::Result<Vec<ForeignListener>> {
    let ours: HashSet<u64> = listeners.inodes().into_values().collect();
    let found = diag::on_port(listeners.address().port())?;
    let others = found.iter().filter(|it| !ours.contains(&it.inode));
    Ok(others.filter_map(|it| foreign_listener(listeners.address(), it)).collect())
}

fn foreign_listener(ours: SocketAddr, it: &Listening) -> Option<ForeignListener> {
    let &Listening { inode, uid, address, .. } = it;
    Some(ForeignListener { inode, uid, address, takes: takes(ours, it)? })
}

/// `None` where no client of ours could come to it.
fn takes(ours: SocketAddr, it: &Listening) -> Option<Takes> {
    let (mine, its) = (ours.ip().to_canonical(), it.address.ip().to_canonical());
    // An IPv6 socket that takes IPv4 clients has them all in common with one of IPv4.
    let dual = |wildcard: IpAddr, only: bool| wildcard.is_ipv6() && !only;
    let serves = |wildcard: IpAddr, only: bool, ip: IpAddr| {
        wildcard.is_unspecified() && (wildcard.is_ipv4() == ip.is_ipv4() || dual(wildcard, only))
    };
    let same = mine == its;
    let wider = serves(its, it.only_v6, mine);
    let narrower = serves(mine, false, its);
    if !same && !wider && !narrower {
        return None;
    }
    if it.interface != 0 && (same || narrower) {
        return Some(Takes::Interface(it.interface));
    }
    Some(if same {
        // Of a mapped address and the address itself, the kernel prefers the latter.
        match (ours.is_ipv4(), it.address.is_ipv4()) {
            (false, true) => Takes::Address(its),
            (true, false) => Takes::None,
            _ => Takes::NoneInGroup,
        }
    } else if its == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && narrower {
        Takes::AllIpv4
    } else if narrower && !its.is_unspecified() {
        Takes::Address(its)
    } else {
        Takes::None
    })
}

impl Listeners {
    /// The numbers of our sockets.
    pub(super) fn inodes(&self) -> PerSlot<u64> {
        self.sockets.map(|_, it| fstat(&it.socket).map_or(0, |stat| stat.st_ino))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes_of(ours: &str, theirs: &str, interface: u32) -> Option<Takes> {
        let it = Listening {
            inode: 41,
            uid: 1000,
            address: theirs.parse().unwrap(),
            interface,
            only_v6: false,
            limit: 1,
            shut: false,
            attached: 0,
        };
        takes(ours.parse().unwrap(), &it)
    }

    #[test]
    fn the_more_specific_one_takes_the_clients() {
        let address = |ip: &str| Some(Takes::Address(ip.parse().unwrap()));
        let cases = [
            ("127.0.0.1:3", "127.0.0.1:3", Some(Takes::NoneInGroup)),
            ("127.0.0.1:3", "127.0.0.2:3", None),
            ("127.0.0.1:3", "0.0.0.0:3", Some(Takes::None)),
            ("127.0.0.1:3", "[::]:3", Some(Takes::None)),
            ("127.0.0.1:3", "[::1]:3", None),
            ("127.0.0.1:3", "[::ffff:127.0.0.1]:3", Some(Takes::None)),
            ("0.0.0.0:3", "0.0.0.0:3", Some(Takes::NoneInGroup)),
            ("0.0.0.0:3", "127.0.0.1:3", address("127.0.0.1")),
            ("0.0.0.0:3", "[::ffff:127.0.0.1]:3", address("127.0.0.1")),
            ("0.0.0.0:3", "[::]:3", Some(Takes::None)),
            ("0.0.0.0:3", "[::1]:3", None),
            ("[::]:3", "[::]:3", Some(Takes::NoneInGroup)),
            ("[::]:3", "0.0.0.0:3", Some(Takes::AllIpv4)),
            ("[::]:3", "127.0.0.1:3", address("127.0.0.1")),
            ("[::]:3", "[::1]:3", address("::1")),
            ("[::1]:3", "[::]:3", Some(Takes::None)),
            ("[::1]:3", "0.0.0.0:3", None),
            ("[::ffff:127.0.0.1]:3", "127.0.0.1:3", address("127.0.0.1")),
        ];
        for (ours, theirs, expected) in cases {
            assert_eq!(takes_of(ours, theirs, 0), expected, "{theirs} beside {ours}");
        }
        assert_eq!(takes_of("0.0.0.0:3", "0.0.0.0:3", 7), Some(Takes::Interface(7)));
        assert_eq!(takes_of("127.0.0.1:3", "0.0.0.0:3", 7), Some(Takes::None));
    }
}
