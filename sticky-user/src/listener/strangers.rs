//! Who else listens on the port: a program of the same user may join it.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;

use rustix::fs::fstat;

use super::Listeners;

/// How `/proc/net/tcp` names the state of a listener.
const LISTEN: &str = "0A";

/// A listener that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The number of the socket, as in `/proc/PID/fd`.
    pub inode: u64,
    /// The user whose it is.
    pub uid: u32,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a program of user {} (socket {})", self.uid, self.inode)
    }
}

/// Knows which listeners on the port are ours.
#[derive(Debug)]
pub struct Strangers {
    port: u16,
    ours: HashSet<u64>,
}

impl Strangers {
    /// All but these.
    pub fn to(listeners: &Listeners) -> Self {
        let inodes = listeners.iter().filter_map(|it| fstat(it.as_fd()).ok());
        Self { port: listeners.address().port(), ours: inodes.map(|stat| stat.st_ino).collect() }
    }

    /// Those that are there now.
    pub fn find(&self) -> io::Result<Vec<Stranger>> {
        let mut found = Vec::new();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            match File::open(table) {
                Ok(file) => self.read(BufReader::new(file), &mut found)?,
                // A kernel without IPv6.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The kernel lists listeners first and connections, of which there may be a million, after
    /// them, so that the rest need not be read.
    fn read(&self, table: impl BufRead, found: &mut Vec<Stranger>) -> io::Result<()> {
        for line in table.lines().skip(1) {
            let line = line?;
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields.get(3) != Some(&LISTEN) {
                break;
            }
            if let Some((port, stranger)) = parse(&fields)
                && port == self.port
                && !self.ours.contains(&stranger.inode)
            {
                found.push(stranger);
            }
        }
        Ok(())
    }
}

fn parse(fields: &[&str]) -> Option<(u16, Stranger)> {
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((
        port,
        Stranger { uid: fields.get(7)?.parse().ok()?, inode: fields.get(9)?.parse().ok()? },
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41 1 0 100
   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100
   2: 00000000:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 43 1 0 100
   3: 0100007F:0BB8 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 44 1 0 100
";

    fn found(table: &[u8]) -> io::Result<Vec<Stranger>> {
        let mut found = Vec::new();
        let strangers = Strangers { port: 3000, ours: HashSet::from([42]) };
        strangers.read(table, &mut found).map(|()| found)
    }

    #[test]
    fn only_listeners_of_others_on_the_port() {
        assert_eq!(found(TABLE.as_bytes()).unwrap(), [Stranger { inode: 41, uid: 1000 }]);
    }

    proptest! {
        #[test]
        fn any_text_is_passed_over(text: Vec<u8>) {
            let _ = found(&text);
        }
    }
}
