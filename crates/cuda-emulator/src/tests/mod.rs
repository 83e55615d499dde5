//! Kernels that NVRTC has compiled (`fixtures/make.py`) against plain code, and what the devices
//! answer to what is wrong.

mod arithmetic;
mod device;
mod kernels;
mod matrix;
mod refusals;
mod speed;
