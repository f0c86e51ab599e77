//! Ports whose listeners are chosen in different ways.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Result;
use serde::Serialize;
use sticky_benches::listen::{BACKLOG, group};
use sticky_ebpf::{Mapping, SlotCount};
use sticky_user::steering::{self, Mode, Plan};

use crate::{loaded, reference};

/// How the listener is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Choice {
    /// No program: the kernel's own hash.
    Plain,
    /// A program that leaves it to the kernel's own hash.
    Empty,
    /// The least program that chooses by address.
    Least,
    Ebpf,
    Cbpf,
}

/// An open port.
pub(crate) struct Port {
    pub(crate) choice: Choice,
    pub(crate) address: SocketAddr,
    pub(crate) listeners: Vec<TcpListener>,
    /// The id of its program, where it is one that the kernel counts runs of.
    pub(crate) program: Option<u32>,
    /// What keeps it open.
    _held: Box<dyn Any>,
}

impl Choice {
    /// Those whose connections are measured.
    pub(crate) const CONNECTED: [Self; 4] = [Self::Plain, Self::Empty, Self::Ebpf, Self::Cbpf];
    /// Those that the kernel counts runs of.
    pub(crate) const COUNTED: [Self; 3] = [Self::Empty, Self::Least, Self::Ebpf];
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "no program",
            Self::Empty => "empty program",
            Self::Least => "least program",
            Self::Ebpf => "ebpf",
            Self::Cbpf => "cbpf",
        })
    }
}

impl Port {
    pub(crate) fn open(choice: Choice, slots: u32) -> Result<Self> {
        let before = loaded::held()?;
        let (address, listeners, held) = match choice {
            Choice::Plain => with_reference(None, slots)?,
            Choice::Empty => with_reference(Some("empty"), slots)?,
            Choice::Least => with_reference(Some("least"), slots)?,
            Choice::Ebpf => steered(Mode::Ebpf, slots)?,
            Choice::Cbpf => steered(Mode::Cbpf, slots)?,
        };
        let new: BTreeSet<u32> = loaded::held()?.difference(&before).copied().collect();
        Ok(Self { choice, address, listeners, program: new.first().copied(), _held: held })
    }
}

type Opened = (SocketAddr, Vec<TcpListener>, Box<dyn Any>);

fn with_reference(program: Option<&str>, slots: u32) -> Result<Opened> {
    let (listeners, address) = group(slots)?;
    let held = program.map(|name| reference::attach(name, &listeners)).transpose()?;
    Ok((address, listeners.into_iter().map(Into::into).collect(), Box::new(held)))
}

fn steered(mode: Mode, slots: u32) -> Result<Opened> {
    let slots = SlotCount::new(slots)?;
    let plan = Plan {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        mapping: Mapping::new(slots),
        backlog: BACKLOG,
        log: false,
    };
    let steering = steering::install(mode, &plan)?;
    let listeners: Result<Vec<TcpListener>> =
        slots.iter().map(|slot| Ok(steering.waiting(slot)?.into())).collect();
    Ok((steering.address(), listeners?, Box::new(steering)))
}
