//! The names `cubecl-cuda` takes from `cubecl-llvm`, without LLVM.
//!
//! `cubecl-cuda` 0.11 has two code generators: CUDA C++ compiled by NVRTC (its `cpp` feature, which
//! oncospec enables) and LLVM. Both are always compiled, and the build script of the real
//! `cubecl-llvm` downloads an LLVM bundle, so that a build behind a firewall fails. This crate gives
//! the second generator's types and an error in place of its work; with `cpp` it is never called.
//!
//! To go back to the LLVM generator: remove the `[patch.crates-io]` entry and the `cubecl-cuda`
//! dependency from the top Cargo.toml.

/// What a device advertises, as the LLVM generator would narrow it.
pub mod shared {
    /// Narrowing of device features to what a generator can lower.
    pub mod lowered_features {
        use cubecl_core::ir::DeviceProperties;

        /// The target whose features are narrowed.
        pub enum GpuTarget {
            /// NVIDIA PTX.
            Nvptx,
        }

        /// Leaves `properties` as they are: nothing is lowered through LLVM here.
        pub fn restrict_features(_properties: &mut DeviceProperties, _target: GpuTarget) {}
    }
}

/// NVIDIA PTX.
pub mod nvptx {
    /// PTX versions.
    pub mod ptx_version {
        use std::fmt;

        /// A PTX version; no value of it exists, since no PTX is written here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PtxVersion {}

        impl PtxVersion {
            /// Always `None`: NVRTC chooses the version.
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl fmt::Display for PtxVersion {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {}
            }
        }
    }
}

use cubecl_core::ir::{attributes::BufferIOAttr, nvidia::SmArch};
use cubecl_core::prelude::KernelDefinition;
use cubecl_server::compiler::CompilationError;
use nvptx::ptx_version::PtxVersion;

/// The LLVM target of a compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LlvmTarget {
    /// NVIDIA PTX.
    Nvptx,
}

/// Options of the LLVM generator.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// AMD architecture.
    pub arch: Option<()>,
    /// NVIDIA architecture.
    pub sm_arch: Option<SmArch>,
    /// PTX version to write.
    pub ptx_version: Option<PtxVersion>,
    /// Whether scalars travel in the kernel's parameter block.
    pub grid_constants: bool,
}

/// A compiled PTX module; none is ever made.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// NUL-terminated PTX.
    pub ptx: Vec<core::ffi::c_char>,
    /// IR for logs and cache keys.
    pub ir: String,
    /// Entry point.
    pub entrypoint: String,
    /// Shared memory, in bytes.
    pub shared_memory_size: usize,
    /// How each buffer is used.
    pub io: Vec<BufferIOAttr>,
}

/// What the LLVM generator makes.
pub enum PlironArtifact {
    /// PTX code.
    NvptxCode(NvptxModule),
}

/// The LLVM generator.
#[derive(Clone, Debug)]
pub struct PlironCompiler {
    /// What it writes for.
    pub target: LlvmTarget,
}

impl PlironCompiler {
    /// Fails: this build carries CUDA C++ through NVRTC only.
    pub fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        Err(CompilationError::Generic {
            reason: "this build has no LLVM code generator: CUDA kernels go through NVRTC".into(),
            backtrace: Default::default(),
        })
    }

    /// The language of the generated source.
    pub fn lang_tag(&self) -> &'static str {
        "ptx"
    }
}
