//! What the process of a probe does: it asks CUDA for GPUs, compiles a kernel, loads it and computes a product.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, DriverError};
use cudarc::nvrtc::{CompileError, Ptx, compile_ptx};

use super::advice::reason;
use super::failure::{failed, on_device};
use super::kept_kernels::keep_gpu_kernels;
use super::missing::Failure;
use super::probe::{Gpu, Probe, driver_version, visible};
use crate::panics::quietly;

/// Computes on GPUs, or on all that there are if none is named.
pub fn answer(indices: &[usize]) -> Probe {
    // Panics are part of the answer.
    std::panic::set_hook(Box::new(|_| {}));
    let headers = cubecl_cuda::install::cuda_path().map(|folder| folder.join("include"));
    let mut probe = Probe {
        driver: driver_version(),
        missing_headers: missing_headers(headers.as_deref()),
        headers,
        ..Probe::default()
    };
    probe.failure = compute(indices, &mut probe).err();
    probe
}

fn compute(indices: &[usize], probe: &mut Probe) -> Result<(), Failure> {
    probe.visible = visible()?;
    let all: Vec<usize> = (0..probe.visible).collect();
    let indices = if indices.is_empty() { &all } else { indices };
    let mut contexts = Vec::new();
    for &index in indices {
        if index >= probe.visible {
            return Err(Failure::NoSuchGpu(index, probe.visible));
        }
        let context = CudaContext::new(index).map_err(other)?;
        probe.gpus.push(described(index, &context).map_err(other)?);
        contexts.push((index, context));
    }
    let (ptx, compiler) = compiled()?;
    probe.compiler = Some(compiler.clone());
    if probe.headers.is_none() {
        return Err(Failure::NoToolkit);
    }
    for (index, context) in contexts {
        context.load_module(ptx.clone()).map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
                Failure::NewerThanDriver(compiler.clone(), probe.driver.clone())
            }
            _ => other(error),
        })?;
        let product = on_device(|| "computing a product of matrices".into(), || product(index));
        let values = product.flatten().map_err(|error| Failure::Other(error.to_string()))?;
        if values.iter().any(|&value| value != 4.0) {
            return Err(Failure::WrongProduct(format!("{values:?} instead of fours")));
        }
    }
    Ok(())
}

fn other(error: DriverError) -> Failure {
    Failure::Other(error.to_string())
}

fn described(index: usize, context: &Arc<CudaContext>) -> Result<Gpu, DriverError> {
    let (major, minor) = context.compute_capability()?;
    let memory_bytes = context.total_mem()? as u64;
    Ok(Gpu { index, name: context.name()?, capability: [major, minor], memory_bytes })
}

/// A kernel that NVRTC compiled, and the version of NVRTC and of the PTX that it makes.
fn compiled() -> Result<(Ptx, String), Failure> {
    const KERNEL: &str =
        "extern \"C\" __global__ void probe(float* numbers) { numbers[0] = 1.0f; }";
    // cudarc panics where the library is missing.
    let ptx = quietly(|| compile_ptx(KERNEL)).map_err(|_| Failure::NoCompiler)?;
    let ptx = ptx.map_err(|error| {
        let said = match &error {
            CompileError::CompileError { log, .. } => reason(&log.to_string_lossy()),
            error => error.to_string(),
        };
        match said.contains("builtins") {
            true => Failure::NoBuiltins(said),
            false => Failure::CompilerFails(said),
        }
    })?;
    let version = version(&ptx.to_src());
    Ok((ptx, version))
}

/// The version of the compiler that made a PTX, and of the PTX: `12.9.86, PTX 8.8`.
fn version(ptx: &str) -> String {
    let after = |start: &str| {
        let found =
            ptx.lines().find_map(|line| line.split_once(start)).map(|(_, rest)| rest.trim());
        found.unwrap_or("unknown").to_string()
    };
    let compiler = after("Cuda compilation tools, release ");
    // `12.9, V12.9.86`.
    let compiler = compiler.split_once('V').map_or(compiler.as_str(), |(_, whole)| whole);
    format!("{compiler}, PTX {}", after(".version "))
}

/// The headers that kernels for tensor cores include, beside the ones that NVRTC has itself, and what those include.
const HEADERS: [&str; 5] =
    ["mma.h", "crt/mma.h", "cuda_fp16.h", "cuda_bf16.h", "cooperative_groups.h"];

/// Which of them are not in a folder.
fn missing_headers(folder: Option<&Path>) -> Vec<String> {
    let is_there = |name: &str| folder.is_some_and(|folder| folder.join(name).is_file());
    let mut missing: Vec<String> =
        HEADERS.iter().filter(|name| !is_there(name)).map(ToString::to_string).collect();
    // Since CUDA 13 it lies in a folder of its own.
    if !is_there("cuda/barrier") && !is_there("cccl/cuda/barrier") {
        missing.push("cuda/barrier".into());
    }
    missing
}

/// A small product of matrices, all of whose numbers are 4.
fn product(index: usize) -> crate::Result<Vec<f32>> {
    keep_gpu_kernels();
    let ones = Tensor::<2>::ones([4, 4], &Device::cuda(index));
    let product = ones.clone().matmul(ones);
    product
        .try_into_vec_as()
        .map_err(|error| failed("computing a product of matrices", &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_that_the_ptx_names() {
        let ptx = "//\n// Generated by NVIDIA NVVM Compiler\n//\n// Compiler Build ID: CL-36037853\n\
                   // Cuda compilation tools, release 12.9, V12.9.86\n// Based on NVVM 7.0.1\n//\n\n\
                   .version 8.8\n.target sm_75\n";
        assert_eq!(version(ptx), "12.9.86, PTX 8.8");
        assert_eq!(version(""), "unknown, PTX unknown");
    }

    #[test]
    fn headers_that_are_not_there_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(missing_headers(None).len(), HEADERS.len() + 1);
        for name in HEADERS.iter().chain(&["cccl/cuda/barrier"]).filter(|name| **name != "mma.h") {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        assert_eq!(missing_headers(Some(folder.path())), ["mma.h"]);
    }
}
