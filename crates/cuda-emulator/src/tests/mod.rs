//! Kernels that NVRTC has compiled, and what the driver answers.
