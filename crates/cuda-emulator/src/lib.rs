//! A CUDA device in software: `libcuda.so.1` and `libnvidia-ml.so.1` for machines without a GPU.
//!
//! Device memory is memory of the host, and kernels are interpreted from the PTX that NVRTC makes
//! of them. `README.md` says how a command runs on it and which variables choose the device.
//!
//! From the bottom up:
//! - `settings`, `versions`, `log`, `counts`, `failure`: what device it is, what is written down, errors.
//! - `ptx`: tokens and grammar of PTX, as text becomes a syntax tree.
//! - `compile`: the syntax tree of a kernel becomes a program, its instructions decoded.
//! - `interpreter`: programs run, 32 lanes at a time.
//! - `machine`: devices with their memory, modules, streams and events.
//! - `driver` and `nvml`: the functions that other programs call.

#[macro_use]
mod interpreter;
mod compile;
mod counts;
mod driver;
mod failure;
mod log;
mod machine;
mod nvml;
mod ptx;
mod settings;
#[cfg(test)]
mod tests;
mod versions;
