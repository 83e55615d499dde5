//! The devices: their memory, modules, and what runs on them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::compile::{Environment, Parameter, Program, compile};
use crate::counts::Counts;
use crate::failure::{Failure, Outcome};
use crate::interpreter::memory::Bytes;
use crate::interpreter::{Launch, run};
use crate::ptx::{Initial, Module, Space, parse};
use crate::settings::Settings;
use crate::versions::newest_ptx;

/// Threads of a block at most.
pub(crate) const MOST_THREADS: u32 = 1024;

/// Bytes of shared memory that a block has without asking.
const SHARED_BYTES: usize = 49_152;

/// Of what measures the device, instructions that are run.
const MEASURING_BUDGET: u64 = 20_000;

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

    /// Loads a module.
    pub(crate) fn load(&mut self, device: usize, text: &str) -> Outcome<u64> {
        self.check(device)?;
        if let Some(refusal) = self.settings.refuses {
            return Err(refusal);
        }
        let handle = self.new_handle();
        self.dump(handle, text);
        let log = self.settings.log.clone();
        let module = parse(text).map_err(|error| {
            log.problem(&format!("cannot read a module: {error}"));
            Failure::InvalidPtx
        })?;
        self.check_target(&module)?;
        let mut variables = HashMap::new();
        for variable in module.variables.iter().filter(|variable| variable.space == Space::Global) {
            let start = self.allocate(device, variable.bytes.max(1))?;
            variables.insert(variable.name, (start, variable.bytes));
        }
        let globals: HashMap<&str, u64> =
            variables.iter().map(|(name, (start, _))| (*name, *start)).collect();
        let compiled = initialise(&module, &globals)
            .and_then(|()| compile(&Environment { module: &module, globals: &globals }));
        let programs = match compiled {
            Ok(programs) if self.knows_all(&programs) || self.settings.strict => programs,
            refused => {
                if let Err(error) = refused {
                    log.problem(&format!("cannot read a module: {error}"));
                }
                for start in globals.values() {
                    self.free(*start)?;
                }
                return Err(Failure::InvalidPtx);
            }
        };
        let mut functions = vec![];
        for program in programs {
            log.event(|| {
                format!(
                    "device {device}: module {} {} kernel {}: {} instructions, {} lines of registers, \
                     {} bytes shared, {} bytes local",
                    module.target, module.version, program.name, program.code.len(), program.lines,
                    program.shared_bytes, program.local_bytes
                )
            });
            if program.has_float_atomics {
                self.counts().float_atomics.insert(program.name.clone());
            }
            let function = self.new_handle();
            functions.push(function);
            let most_dynamic_shared = SHARED_BYTES.saturating_sub(program.shared_bytes);
            let program = Arc::new(program);
            self.functions.insert(function, Function { device, program, most_dynamic_shared });
        }
        self.counts().modules_loaded += 1;
        let variables =
            variables.into_iter().map(|(name, place)| (name.to_string(), place)).collect();
        self.modules.insert(handle, Loaded { device, functions, variables });
        Ok(handle)
    }

    fn dump(&self, handle: u64, text: &str) {
        let Some(folder) = &self.settings.dump else { return };
        let file = format!("{folder}/{}_{handle:x}.ptx", std::process::id());
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, text));
        if let Err(error) = written {
            self.settings.log.problem(&format!("cannot write `{file}`: {error}"));
        }
    }

    fn check_target(&self, module: &Module) -> Outcome {
        let newest = newest_ptx(self.settings.driver);
        if module.version > newest {
            self.settings.log.problem(&format!(
                "a module is PTX {}, and driver {} reads PTX {newest} at most",
                module.version, self.settings.driver
            ));
            return Err(Failure::UnsupportedPtxVersion);
        }
        // `sm_90a` is of its own architecture, and so are all with a letter.
        let target = module.target.strip_prefix("sm_").unwrap_or("");
        let number = target.trim_end_matches(|last: char| last.is_ascii_alphabetic());
        match number.parse::<i32>() {
            Ok(of_module) if of_module <= self.settings.sm => Ok(()),
            Ok(_) => {
                self.settings.log.problem(&format!(
                    "a module is for {}, and the device is sm_{}",
                    module.target, self.settings.sm
                ));
                Err(Failure::NoBinaryForGpu)
            }
            Err(_) => {
                self.settings.log.problem(&format!("a module is for `{}`", module.target));
                Err(Failure::InvalidPtx)
            }
        }
    }

    /// Whether all instructions are known; names those that are not.
    fn knows_all(&self, programs: &[Program]) -> bool {
        for program in programs {
            for instruction in &program.unknown {
                self.settings.log.problem(&format!(
                    "kernel {}: instruction {instruction} is not known",
                    program.name
                ));
            }
        }
        programs.iter().all(|program| program.unknown.is_empty())
    }

    /// Unloads a module.
    pub(crate) fn unload(&mut self, module: u64) -> Outcome {
        let loaded = self.modules.remove(&module).ok_or(Failure::InvalidHandle)?;
        for function in loaded.functions {
            self.functions.remove(&function);
        }
        let device = &mut self.devices[loaded.device];
        for (start, _) in loaded.variables.values() {
            if let Some(allocation) = device.allocations.remove(start) {
                device.used -= allocation.end - start;
            }
        }
        Ok(())
    }

    /// A kernel of a module.
    pub(crate) fn function(&self, module: u64, name: &str) -> Outcome<u64> {
        let loaded = self.modules.get(&module).ok_or(Failure::InvalidHandle)?;
        let mut functions = loaded.functions.iter();
        let found = functions.find(|function| self.functions[function].program.name == name);
        found.copied().ok_or(Failure::NotFound)
    }

    /// A variable of a module: where it is, and its bytes.
    pub(crate) fn variable(&self, module: u64, name: &str) -> Outcome<(u64, usize)> {
        let loaded = self.modules.get(&module).ok_or(Failure::InvalidHandle)?;
        loaded.variables.get(name).copied().ok_or(Failure::NotFound)
    }

    /// Parameters of a kernel, and their bytes together.
    pub(crate) fn parameters(&self, function: u64) -> Outcome<(Vec<Parameter>, usize)> {
        let function = self.functions.get(&function).ok_or(Failure::InvalidHandle)?;
        Ok((function.program.parameters.clone(), function.program.parameter_bytes))
    }

    /// The program of a kernel.
    pub(crate) fn program(&self, function: u64) -> Outcome<Arc<Program>> {
        Ok(self.functions.get(&function).ok_or(Failure::InvalidHandle)?.program.clone())
    }

    /// Lets a kernel be launched with more dynamic shared memory.
    pub(crate) fn allow_dynamic_shared(&mut self, function: u64, bytes: usize) -> Outcome {
        let most = self.settings.shared_opt_in;
        let function = self.functions.get_mut(&function).ok_or(Failure::InvalidHandle)?;
        if bytes + function.program.shared_bytes > most {
            self.settings.log.problem(&format!(
                "kernel {}: {bytes} bytes of dynamic shared memory beside {}, of {most}",
                function.program.name, function.program.shared_bytes
            ));
            return Err(Failure::InvalidValue);
        }
        function.most_dynamic_shared = bytes.max(function.most_dynamic_shared);
        Ok(())
    }

    /// Launches a kernel and waits for it.
    pub(crate) fn launch(
        &mut self,
        function: u64,
        grid: [u32; 3],
        block: [u32; 3],
        dynamic_shared: usize,
        parameters: Bytes,
    ) -> Outcome {
        let found = self.functions.get(&function).ok_or(Failure::InvalidHandle)?;
        let (device, program) = (found.device, found.program.clone());
        let most_shared = found.most_dynamic_shared;
        self.check(device)?;
        let name = &program.name;
        let log = self.settings.log.clone();
        let threads = block.iter().map(|size| u64::from(*size)).product::<u64>();
        let most = program.most_threads.unwrap_or(MOST_THREADS).min(MOST_THREADS);
        let fits = (1..=u64::from(most)).contains(&threads)
            && block[2] <= 64
            && !grid.contains(&0)
            && grid[0] <= i32::MAX as u32
            && grid[1] <= 65_535
            && grid[2] <= 65_535;
        if !fits || dynamic_shared > most_shared {
            log.problem(&format!(
                "kernel {name}: a launch with grid {grid:?}, block {block:?} and {dynamic_shared} bytes \
                 of dynamic shared memory; at most {most} threads and {most_shared} bytes"
            ));
            return Err(Failure::InvalidValue);
        }
        self.check_parameters(device, &program, &parameters)?;
        *self.counts().launches.entry(name.clone()).or_default() += 1;
        log.event(|| {
            format!("device {device}: launch {name} grid {grid:?} block {block:?} shared {dynamic_shared}")
        });
        if !program.unknown.is_empty() {
            self.knows_all(std::slice::from_ref(&program));
            self.devices[device].fault = Some(Failure::IllegalInstruction);
            return Err(Failure::IllegalInstruction);
        }
        let measures = measures(name);
        if !self.settings.computes && !measures {
            self.counts().not_computed.insert(name.clone());
            self.clock += 1000;
            return Ok(());
        }
        let blocks: u64 = grid.iter().map(|size| u64::from(*size)).product();
        let (grid, times) = if measures { ([1; 3], blocks) } else { (grid, 1) };
        if measures {
            self.counts().not_computed.insert(name.clone());
        }
        let allocations: Vec<(u64, u64)> =
            self.devices[device].allocations.iter().map(|(start, a)| (*start, a.end)).collect();
        let began = Instant::now();
        let launch = Launch {
            program: &program,
            grid,
            block,
            dynamic_shared,
            parameters,
            allocations: &allocations,
            budget: if measures { MEASURING_BUDGET } else { u64::MAX },
            threads: self.settings.threads,
        };
        match run(&launch) {
            Ok(cost) => {
                let instructions = cost.warp_instructions;
                if measures && instructions > MEASURING_BUDGET {
                    // What measures until some time has passed would count too far otherwise.
                    std::thread::sleep(Duration::from_millis(25));
                }
                let ns = self.settings.ns_per_instruction.unwrap_or(0);
                self.clock += 2000 + instructions * times * ns;
                self.counts().warp_instructions += instructions;
                log.event(|| {
                    let ms = began.elapsed().as_secs_f64() * 1e3;
                    format!("device {device}: ran {name}: {instructions} warp instructions in {ms:.3} ms")
                });
                Ok(())
            }
            Err(fault) => {
                log.problem(&format!("kernel {name} failed: {}", fault.text));
                self.devices[device].fault = Some(fault.failure);
                // As on a GPU, the launch is accepted, and what comes after it fails.
                Ok(())
            }
        }
    }

    /// Pointers must be of the device that the kernel runs on.
    fn check_parameters(&mut self, device: usize, program: &Program, bytes: &Bytes) -> Outcome {
        for (index, parameter) in program.parameters.iter().enumerate() {
            if parameter.bytes != 8 {
                continue;
            }
            // SAFETY: the driver made `bytes` as long as the parameters are, plus some.
            let value =
                unsafe { bytes.as_ptr().add(parameter.offset).cast::<u64>().read_unaligned() };
            if self.devices[device].owns(value) {
                continue;
            }
            if let Some(other) = self.owner(value, 1) {
                self.settings.log.problem(&format!(
                    "kernel {} on device {device}: parameter {index} is {value:#x}, which is memory of \
                     device {other}",
                    program.name
                ));
                self.devices[device].fault = Some(Failure::IllegalAddress);
                return Err(Failure::IllegalAddress);
            }
        }
        Ok(())
    }
}

impl Device {
    fn owns(&self, address: u64) -> bool {
        let before = self.allocations.range(..=address).next_back();
        before.is_some_and(|(_, found)| address < found.end)
    }
}

/// Whether a kernel measures the device and computes nothing (names of cubecl). One block stands for
/// all of them.
fn measures(name: &str) -> bool {
    name.contains("_throughput_")
        || name.starts_with("prime_buffer")
        || name.starts_with("launch_overhead")
}

/// Writes what variables of a module hold at first.
fn initialise(module: &Module, globals: &HashMap<&str, u64>) -> Result<(), String> {
    for variable in &module.variables {
        let Some(start) = globals.get(variable.name) else { continue };
        let size = variable.element_bytes;
        if variable.initial.len() * size > variable.bytes {
            return Err(format!("variable {} has too many initial values", variable.name));
        }
        // Not poisoned: what is not said is zero.
        // SAFETY: the variable was allocated with this size, and nobody else has its address yet.
        unsafe { (*start as *mut u8).write_bytes(0, variable.bytes) };
        for (index, initial) in variable.initial.iter().enumerate() {
            let value = match initial {
                Initial::Number(value) => *value,
                Initial::Address(name) => {
                    *globals.get(name).ok_or_else(|| format!("variable {name} is not known"))?
                }
            };
            let bytes = value.to_le_bytes();
            let at = (*start as usize + index * size) as *mut u8;
            // SAFETY: as above; elements have at most 8 bytes, or the rest is zero.
            unsafe { at.copy_from_nonoverlapping(bytes.as_ptr(), size.min(8)) };
        }
    }
    Ok(())
}
