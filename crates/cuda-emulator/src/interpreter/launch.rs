//! A launch: its blocks, on as many threads as may share them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Fault;
use super::memory::{Bytes, Memory};
use super::warp::Warp;
use crate::compile::Program;

/// What a kernel is run with.
pub(crate) struct Launch<'l> {
    pub(crate) program: &'l Program,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) dynamic_shared: usize,
    pub(crate) parameters: Bytes,
    /// Allocations of the device: start and end, in order.
    pub(crate) allocations: &'l [(u64, u64)],
    /// Instructions of a warp after which a block is cut short.
    pub(crate) budget: u64,
    /// Threads of the host.
    pub(crate) threads: usize,
}

/// What a launch took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) warp_instructions: u64,
}

/// Instructions below which other threads are not worth waking.
const WORTH_A_THREAD: u64 = 20_000;

/// Runs all blocks.
///
/// # Errors
/// What the first block to fail did wrong.
pub(crate) fn run(launch: &Launch) -> Result<Cost, Fault> {
    let blocks: usize = launch.grid.iter().map(|size| *size as usize).product();
    // The order of atomic changes decides sums of floats, so it stays the same.
    let alone = launch.threads < 2 || launch.program.has_atomics;
    let mut worker = Worker::new(launch);
    let mut cost = worker.block(0)?;
    let rest = blocks.saturating_sub(1);
    if alone || rest == 0 || cost * (rest as u64) < WORTH_A_THREAD {
        for block in 1..blocks {
            cost += worker.block(block)?;
        }
        return Ok(Cost { warp_instructions: cost });
    }
    let next = AtomicUsize::new(1);
    // The failure of the first block, whichever thread is faster.
    let fault = Mutex::new(None::<(usize, Fault)>);
    let work = |mut worker: Worker| {
        let mut cost = 0;
        loop {
            let block = next.fetch_add(1, Ordering::Relaxed);
            if block >= blocks {
                return cost;
            }
            match worker.block(block) {
                Ok(of_block) => cost += of_block,
                Err(found) => {
                    next.store(blocks, Ordering::Relaxed);
                    let mut fault = fault.lock().unwrap_or_else(|poison| poison.into_inner());
                    if fault.as_ref().is_none_or(|(earlier, _)| block < *earlier) {
                        *fault = Some((block, found));
                    }
                    return cost;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..launch.threads.min(blocks))
            .map(|_| scope.spawn(|| work(Worker::new(launch))))
            .collect();
        cost += work(worker);
        for other in others {
            cost += other.join().map_err(|_| Fault::failed("the interpreter panicked"))?;
        }
        Ok::<_, Fault>(())
    })?;
    match fault.into_inner().unwrap_or_else(|poison| poison.into_inner()) {
        Some((_, fault)) => Err(fault),
        None => Ok(Cost { warp_instructions: cost }),
    }
}

/// A thread of the host with the warps of one block.
struct Worker<'l> {
    launch: &'l Launch<'l>,
    warps: Vec<Warp>,
    shared: Bytes,
}

impl<'l> Worker<'l> {
    fn new(launch: &'l Launch<'l>) -> Self {
        let threads: u32 = launch.block.iter().product();
        let warps = (0..threads.div_ceil(32)).map(|index| Warp::new(launch, index)).collect();
        let shared = Bytes::new(launch.program.shared_bytes + launch.dynamic_shared);
        Self { launch, warps, shared }
    }

    /// Runs a block and gives the number of instructions that its warps ran.
    fn block(&mut self, index: usize) -> Result<u64, Fault> {
        let [x, y, _] = self.launch.grid;
        let (x, y) = (x as usize, y as usize);
        let place = [index % x, index / x % y, index / (x * y)].map(|at| at as u32);
        // What a block finds in shared memory is not its own.
        self.shared.fill(0xff);
        let memory = Memory {
            launch: self.launch,
            shared: self.shared.as_mut_ptr(),
            shared_bytes: self.launch.program.shared_bytes + self.launch.dynamic_shared,
        };
        self.warps.iter_mut().for_each(|warp| warp.start(self.launch, place));
        loop {
            let mut running = false;
            for warp in &mut self.warps {
                if warp.is_running() {
                    running = true;
                    warp.run(&memory).map_err(|fault| Fault {
                        text: format!("block {place:?}, warp {}: {}", warp.index(), fault.text),
                        ..fault
                    })?;
                }
            }
            let alive: u32 = self.warps.iter().map(Warp::alive).sum();
            if alive == 0 {
                break;
            }
            // A barrier opens when every thread that lives waits at it.
            let waiting: u32 = self.warps.iter().map(Warp::waiting).sum();
            if waiting == alive {
                let ids: Vec<u32> = self.warps.iter().flat_map(Warp::barriers).collect();
                if ids.iter().any(|id| *id != ids[0]) {
                    return Err(Fault::failed(format!(
                        "block {place:?}: its threads wait at different barriers"
                    )));
                }
                self.warps.iter_mut().for_each(Warp::pass_barrier);
            } else if !running {
                return Err(Fault::failed(format!(
                    "block {place:?}: {waiting} of {alive} threads wait at a barrier for ever"
                )));
            }
        }
        Ok(self.warps.iter_mut().map(Warp::take_count).sum())
    }
}
