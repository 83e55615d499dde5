//! The devices: their memory, modules, and what runs on them.

mod launch;
mod module;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use crate::compile::Program;
use crate::counts::Counts;
use crate::failure::{Failure, Outcome};
use crate::interpreter::memory::Bytes;
use crate::settings::Settings;

pub(crate) use launch::MOST_THREADS;

/// Everything that the driver knows.
pub(crate) struct Machine {
    pub(crate) settings: Settings,
    counts: Arc<Mutex<Counts>>,
    devices: Vec<Device>,
    modules: HashMap<u64, Loaded>,
    functions: HashMap<u64, Function>,
    /// The device of each stream.
    pub(crate) streams: HashMap<u64, usize>,
    pub(crate) events: HashMap<u64, Event>,
    host_memory: HashMap<u64, Bytes>,
    last_handle: u64,
    /// Nanoseconds that the instructions took.
    clock: u64,
    started: Instant,
}

/// A device.
#[derive(Default)]
struct Device {
    allocations: BTreeMap<u64, Allocation>,
    used: u64,
    /// What a kernel did wrong; as on a GPU, nothing works after it.
    fault: Option<Failure>,
}

/// A point in the work of a device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) device: usize,
    /// When it was recorded, in nanoseconds.
    pub(crate) recorded: Option<u64>,
}

struct Allocation {
    end: u64,
    /// Keeps the memory; its addresses are those of the host.
    _storage: Vec<u64>,
}

struct Loaded {
    device: usize,
    functions: Vec<u64>,
    variables: HashMap<String, (u64, usize)>,
}

struct Function {
    device: usize,
    program: Arc<Program>,
    most_dynamic_shared: usize,
}

/// What one device has of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryInfo {
    pub(crate) total: u64,
    pub(crate) used: u64,
}

impl Machine {
    /// Devices without anything on them.
    pub(crate) fn new(settings: Settings) -> Self {
        let devices = (0..settings.devices).map(|_| Device::default()).collect();
        Self {
            settings,
            counts: Arc::default(),
            devices,
            modules: HashMap::new(),
            functions: HashMap::new(),
            streams: HashMap::new(),
            events: HashMap::new(),
            host_memory: HashMap::new(),
            last_handle: 0x1000,
            clock: 0,
            started: Instant::now(),
        }
    }

    /// What is counted, for whoever writes it at the end.
    pub(crate) fn shared_counts(&self) -> Arc<Mutex<Counts>> {
        self.counts.clone()
    }

    /// What is counted.
    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// A handle that was never given before.
    pub(crate) fn new_handle(&mut self) -> u64 {
        self.last_handle += 16;
        self.last_handle
    }

    /// The time that events have, in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        match self.settings.ns_per_instruction {
            Some(_) => self.clock,
            None => self.started.elapsed().as_nanos() as u64,
        }
    }

    /// # Errors
    /// What a kernel did wrong before.
    pub(crate) fn check(&self, device: usize) -> Outcome {
        match self.device(device)?.fault {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    fn device(&self, index: usize) -> Outcome<&Device> {
        self.devices.get(index).ok_or(Failure::InvalidDevice)
    }

    /// The memory of a device.
    pub(crate) fn memory_info(&self, device: usize) -> Outcome<MemoryInfo> {
        Ok(MemoryInfo { total: self.settings.memory, used: self.device(device)?.used })
    }

    /// Allocates memory of a device.
    pub(crate) fn allocate(&mut self, device: usize, bytes: usize) -> Outcome<u64> {
        self.check(device)?;
        if bytes == 0 {
            return Err(Failure::InvalidValue);
        }
        let Self { devices, settings, .. } = self;
        let used = devices[device].used;
        if used.saturating_add(bytes as u64) > settings.memory {
            settings
                .log
                .event(|| format!("device {device}: out of memory: {bytes} bytes beside {used}"));
            return Err(Failure::OutOfMemory);
        }
        let fill = if settings.poisons { u64::MAX } else { 0 };
        // Addresses are aligned to 512 bytes, as a GPU's are.
        let storage = vec![fill; bytes.div_ceil(8) + 64];
        let start = (storage.as_ptr() as u64).next_multiple_of(512);
        let allocation = Allocation { end: start + bytes as u64, _storage: storage };
        devices[device].allocations.insert(start, allocation);
        devices[device].used += bytes as u64;
        settings
            .log
            .event(|| format!("device {device}: allocation of {bytes} bytes at {start:#x}"));
        let used = self.devices.iter().map(|device| device.used).sum();
        let mut counts = self.counts();
        counts.allocations.add(bytes);
        counts.peak_bytes = counts.peak_bytes.max(used);
        drop(counts);
        Ok(start)
    }

    /// Frees memory of any device.
    pub(crate) fn free(&mut self, start: u64) -> Outcome {
        if start == 0 {
            return Ok(());
        }
        for device in &mut self.devices {
            if let Some(allocation) = device.allocations.remove(&start) {
                device.used -= allocation.end - start;
                self.counts().frees += 1;
                return Ok(());
            }
        }
        self.settings.log.problem(&format!("free of {start:#x}, which is not allocated"));
        Err(Failure::InvalidValue)
    }

    /// Memory of the host.
    pub(crate) fn allocate_host(&mut self, bytes: usize) -> u64 {
        let mut storage = Bytes::new(bytes);
        let start = storage.as_mut_ptr() as u64;
        self.host_memory.insert(start, storage);
        start
    }

    /// Frees memory of the host.
    pub(crate) fn free_host(&mut self, start: u64) -> Outcome {
        self.host_memory.remove(&start).map(|_| ()).ok_or(Failure::InvalidValue)
    }

    /// The device that a range lies on, within one allocation.
    pub(crate) fn owner(&self, start: u64, bytes: usize) -> Option<usize> {
        self.devices.iter().position(|device| {
            let before = device.allocations.range(..=start).next_back();
            before.is_some_and(|(_, found)| start.saturating_add(bytes as u64) <= found.end)
        })
    }

    /// # Errors
    /// A range that is no memory of a device, or of one on which a kernel has failed.
    pub(crate) fn check_range(&self, what: &str, start: u64, bytes: usize) -> Outcome {
        match self.owner(start, bytes) {
            Some(device) => self.check(device),
            None => {
                self.settings.log.problem(&format!(
                    "{what} of {bytes} bytes at {start:#x}, which are not in one allocation"
                ));
                Err(Failure::InvalidValue)
            }
        }
    }
}
