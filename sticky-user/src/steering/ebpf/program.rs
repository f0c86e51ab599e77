//! The program and its maps, once they are in the kernel.

use std::io;
use std::os::fd::BorrowedFd;

use aya::maps::{Array, MapData, MapError, PerCpuArray, PerCpuValues, ReusePortSockArray};
use aya::programs::SkReuseport;
use aya::{Ebpf, EbpfError, EbpfLoader};
use sticky_ebpf::counters::{RunCounters, SlotCounters};
use sticky_ebpf::{Mapping, maps};

use super::log::Log;
use super::object;
use crate::causes;
use crate::steering::{Counters, Error};

/// The log buffer of a program that does not log; the kernel wants at least a page.
const NO_LOG: u32 = 4096;

pub(super) struct Program {
    object: Ebpf,
    listeners: ReusePortSockArray<MapData>,
    runs: PerCpuArray<MapData, [u64; 4]>,
    slots: PerCpuArray<MapData, [u64; 3]>,
}

impl Program {
    /// Loads program and maps, the maps as large as the mapping needs.
    pub(super) fn load(mapping: &Mapping, log: bool) -> Result<Self, Error> {
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
            .map_max_entries(maps::BUCKETS, buckets)
            .map_max_entries(maps::LISTENERS, slots)
            .map_max_entries(maps::SLOTS, slots)
            .override_global(maps::BUCKET_COUNT, &buckets, true)
            .override_global(maps::IPV6_PREFIX, &prefix, true)
            .override_global(maps::LOG_LEVEL, &log_level, true);
        if !log {
            loader.map_max_entries(maps::LOG, NO_LOG);
        }
        let mut object = loader.load(bytes).map_err(load_error)?;

        let program = sk_reuseport(&mut object)?;
        program.load().map_err(|error| load_error(error.into()))?;
        fill_table(&mut object, mapping)?;
        Ok(Self {
            listeners: take(&mut object, maps::LISTENERS)?,
            runs: take(&mut object, maps::RUNS)?,
            slots: take(&mut object, maps::SLOTS)?,
            object,
        })
    }

    pub(super) fn log(&mut self) -> Result<Log, Error> {
        Log::open(&mut self.object)
    }

    /// Attaches the program to the group that `listener` belongs to.
    pub(super) fn attach(&mut self, listener: BorrowedFd<'_>) -> Result<(), Error> {
        let program = sk_reuseport(&mut self.object)?;
        program.attach(listener).map_err(Error::program("attach the kernel program to the port"))
    }

    pub(super) fn set_listener(&mut self, slot: u32, socket: BorrowedFd<'_>) -> Result<(), Error> {
        let step = "put a listener into the kernel's table of slots";
        self.listeners.set(slot, &socket, 0).map_err(Error::map(step))
    }

    pub(super) fn clear_listener(&mut self, slot: u32) -> Result<(), Error> {
        let step = "take a listener out of the kernel's table of slots";
        match self.listeners.clear_index(&slot) {
            // A listener that its worker shut down is out already.
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == io::ErrorKind::NotFound =>
            {
                Ok(())
            }
            cleared => cleared.map_err(Error::map(step)),
        }
    }

    pub(super) fn slots(&self) -> u32 {
        self.slots.len()
    }

    pub(super) fn counters(&self) -> Result<Counters, Error> {
        let step = "read the counters of the kernel program";
        let runs = self.runs.get(&0, 0).map_err(Error::map(step))?;
        let slots: Result<Vec<_>, _> = self.slots.iter().collect();
        let slots = slots.map_err(Error::map(step))?;
        let slots = slots.iter().map(|values| SlotCounters::from(sum(values)));
        Ok(Counters::new(RunCounters::from(sum(&runs)), slots))
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

fn fill_table(object: &mut Ebpf, mapping: &Mapping) -> Result<(), Error> {
    let mut buckets: Array<MapData, u32> = take(object, maps::BUCKETS)?;
    for (bucket, slot) in (0..).zip(mapping.table()) {
        let step = "write the kernel's table of buckets";
        buckets.set(bucket, slot, 0).map_err(Error::map(step))?;
    }
    Ok(())
}

fn sk_reuseport(object: &mut Ebpf) -> Result<&mut SkReuseport, Error> {
    let program = object.program_mut(maps::PROGRAM).ok_or(Error::Missing("program"))?;
    program.try_into().map_err(Error::program("use the kernel program"))
}

fn take<M: TryFrom<aya::maps::Map, Error = MapError>>(
    object: &mut Ebpf,
    name: &'static str,
) -> Result<M, Error> {
    let map = object.take_map(name).ok_or(Error::Missing(name))?;
    M::try_from(map).map_err(Error::map("use a map of the kernel program"))
}

fn load_error(error: EbpfError) -> Error {
    // The verifier's refusal is EACCES, which is no question of rights.
    let no_right = causes::chain(&error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.raw_os_error() == Some(libc::EPERM));
    if no_right { Error::NoCapBpf(error) } else { Error::Load(error) }
}
