//! The program and its maps, once they are in the kernel.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::{Array, Map, MapData, MapError, PerCpuArray, PerCpuValues, ReusePortSockArray};
use aya::programs::SkReuseport;
use aya::{Ebpf, EbpfError, EbpfLoader};
use sticky_contract::{SlotCount, SlotId};
use sticky_ebpf::counters::COUNTERS;
use sticky_ebpf::{MAX_BUCKETS, Mapping, maps};

use super::log::Log;
use super::object;
use crate::causes;
use crate::steering::kept::take;
use crate::steering::{Counters, Error, Kept};
use crate::step::{Step as _, StepError};
use sticky_sys::reuseport;

/// The log buffer of a program that does not log; the kernel wants at least a page.
const NO_LOG: u32 = 4096;

pub(super) struct Program {
    loaded: OwnedFd,
    buckets: Array<MapData, [u8; MAX_BUCKETS]>,
    listeners: ReusePortSockArray<MapData>,
    counters: PerCpuArray<MapData, [u64; COUNTERS]>,
    /// Duplicates of the maps' descriptors, which the types above do not show.
    maps: Vec<(&'static str, OwnedFd)>,
}

impl Program {
    /// Loads program and maps, the maps as large as the mapping needs; and the program's log where
    /// that is wanted.
    pub(super) fn load(mapping: &Mapping, log: bool) -> Result<(Self, Option<Log>), Error> {
        let bytes = object::embedded()?;
        let slots = mapping.slots().get();
        let buckets = mapping.slots().buckets();
        let prefix = mapping.ipv6_prefix().bits();
        // Constants are known to the verifier, which removes what can't be reached: a program that
        // does not log has no code for it.
        let log_level = if log { u8::MAX } else { 0 };

        let mut loader = EbpfLoader::new();
        // The program uses no type of the kernel, whose description takes megabytes.
        loader
            .btf(None)
            .map_max_entries(maps::LISTENERS, slots)
            .override_global(maps::BUCKET_COUNT, &buckets, true)
            .override_global(maps::IPV6_PREFIX, &prefix, true)
            .override_global(maps::LOG_LEVEL, &log_level, true);
        if !log {
            loader.map_max_entries(maps::LOG, NO_LOG);
        }
        let mut object = loader.load(bytes).map_err(load_error)?;

        let program = load_program(&mut object)?;
        let mut this = Self::of(program, |name| {
            let map = object.take_map(name).ok_or(Error::Missing(name))?;
            Ok(descriptor(&map).step("duplicate the descriptor of a map")?)
        })?;
        this.set_table(mapping)?;
        let log = if log { Some(Log::open(&mut object)?) } else { None };
        Ok((this, log))
    }

    /// Takes over what [`Program::keep`] gave.
    pub(super) fn resume(left: &mut Kept) -> Result<Self, Error> {
        let program = take(left, maps::PROGRAM)?;
        Self::of(program, |name| take(left, name))
    }

    fn of(
        program: OwnedFd,
        mut map: impl FnMut(&'static str) -> Result<OwnedFd, Error>,
    ) -> Result<Self, Error> {
        let mut maps = Vec::new();
        let mut data = |name| {
            let step = "use a map of the kernel program";
            let map = map(name)?;
            maps.push((name, map.try_clone().step(step)?));
            Ok::<_, Error>(MapData::from_fd(map).map_err(io::Error::other).step(step)?)
        };
        Ok(Self {
            loaded: program,
            buckets: typed(Map::Array(data(maps::BUCKETS)?))?,
            listeners: typed(Map::ReusePortSockArray(data(maps::LISTENERS)?))?,
            counters: typed(Map::PerCpuArray(data(maps::COUNTERS)?))?,
            maps,
        })
    }

    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        kept.insert(maps::PROGRAM.into(), self.loaded.try_clone()?);
        for (name, map) in &self.maps {
            kept.insert((*name).into(), map.try_clone()?);
        }
        Ok(())
    }

    /// Attaches the program to the group that `listener` belongs to.
    pub(super) fn attach(&self, listener: BorrowedFd<'_>) -> Result<(), StepError> {
        let attached = reuseport::attach(listener, self.loaded.as_fd());
        attached.step("attach the kernel program to the port")
    }

    /// Puts a table of buckets in force.
    pub(super) fn set_table(&mut self, mapping: &Mapping) -> Result<(), StepError> {
        let mut table = [0; MAX_BUCKETS];
        for (entry, slot) in table.iter_mut().zip(mapping.table()) {
            *entry = slot.into();
        }
        self.buckets
            .set(0, table, 0)
            .map_err(io::Error::other)
            .step("write the kernel's table of buckets")
    }

    pub(super) fn set_listener(
        &mut self,
        slot: SlotId,
        socket: BorrowedFd<'_>,
    ) -> Result<(), StepError> {
        let step = "put a listener into the kernel's table of slots";
        match self.listeners.set(slot.get(), &socket, 0) {
            // A socket fits into one entry of one map: it is there already.
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == io::ErrorKind::ResourceBusy =>
            {
                Ok(())
            }
            set => set.map_err(io::Error::other).step(step),
        }
    }

    pub(super) fn clear_listener(&mut self, slot: SlotId) -> Result<(), StepError> {
        let step = "take a listener out of the kernel's table of slots";
        match self.listeners.clear_index(&slot.get()) {
            // A listener that its worker shut down is out already.
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == io::ErrorKind::NotFound =>
            {
                Ok(())
            }
            cleared => cleared.map_err(io::Error::other).step(step),
        }
    }

    pub(super) fn counters(&self, slots: SlotCount) -> Result<Counters, Error> {
        let counted = self.counters.get(&0, 0);
        let counted =
            counted.map_err(io::Error::other).step("read the counters of the kernel program")?;
        Ok(Counters::of_kernel(&sum(&counted).into(), slots))
    }
}

/// Adds up what the CPUs counted.
fn sum<const N: usize>(values: &PerCpuValues<[u64; N]>) -> [u64; N] {
    let mut total = [0; N];
    for counts in values.iter() {
        for (total, count) in total.iter_mut().zip(counts) {
            *total += count;
        }
    }
    total
}

fn load_program(object: &mut Ebpf) -> Result<OwnedFd, Error> {
    let program = object.program_mut(maps::PROGRAM).ok_or(Error::Missing("program"))?;
    let program: &mut SkReuseport = program
        .try_into()
        .map_err(io::Error::other)
        .step("use the kernel program")
        .map_err(refused)?;
    program.load().map_err(|error| load_error(error.into()))?;
    let loaded =
        program.fd().map_err(io::Error::other).step("use the kernel program").map_err(refused)?;
    Ok(loaded.as_fd().try_clone_to_owned().step("use the kernel program")?)
}

fn descriptor(map: &Map) -> io::Result<OwnedFd> {
    let (Map::Array(data) | Map::PerCpuArray(data) | Map::ReusePortSockArray(data)) = map else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    data.fd().as_fd().try_clone_to_owned()
}

fn typed<M: TryFrom<Map, Error = MapError>>(map: Map) -> Result<M, StepError> {
    M::try_from(map).map_err(io::Error::other).step("use a map of the kernel program")
}

/// The kernel refuses the program itself.
fn refused(error: StepError) -> Error {
    Error::Program(error.with_hint("; `sticky doctor` tells what this kernel lacks"))
}

fn load_error(error: EbpfError) -> Error {
    // The verifier's refusal is EACCES, which is no question of rights.
    let no_right = causes::chain(&error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.raw_os_error() == Some(libc::EPERM));
    if no_right { Error::NoCapBpf(error) } else { Error::Load(error) }
}
