//! Launches: what is asked for is checked, computed and counted.

use std::time::{Duration, Instant};

use super::{Device, Machine};
use crate::compile::Program;
use crate::failure::{Failure, Outcome};
use crate::interpreter::memory::Bytes;
use crate::interpreter::{Launch, run};

/// Threads of a block at most.
pub(crate) const MOST_THREADS: u32 = 1024;

/// Bytes of shared memory that a block has without asking.
pub(super) const SHARED_BYTES: usize = 49_152;

/// Of what measures the device, instructions that are run.
const MEASURING_BUDGET: u64 = 20_000;

impl Machine {
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
