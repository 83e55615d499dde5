//! `oncospec doctor`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::spec::Overrides;
use super::{Output, determinism, pretty, print};
use crate::device::{Failure, Gpu, Probe, Request, choose, probe};
use crate::error::{Error, Result};
use crate::memory;
use crate::plan::{EVALUATION_ENGINE, TRAINING_ENGINE};
use crate::provenance::{host, tool, versions};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Make the first training steps of a spec several times, with one thread and with all, and compare the weights bit for
    /// bit; nothing is recorded.
    #[arg(long, value_name = "SPEC")]
    pub determinism: Option<PathBuf>,
    /// How many steps.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "determinism")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..100_000))]
    pub steps: u32,
    #[command(flatten)]
    pub overrides: Overrides,
    /// Print the hashes of this process alone.
    #[arg(long, hide = true, requires = "determinism")]
    pub hashes: bool,
}

/// Shows the hardware and software that runs use, or whether training is the same each time.
pub(super) fn execute(args: &DoctorArgs, output: Output) -> Result<u8> {
    if args.determinism.is_some() {
        return determinism::execute(args, output);
    }
    let Overrides { sets, guide_sets, device } = &args.overrides;
    if !sets.is_empty() || !guide_sets.is_empty() || device.is_some() {
        return Err(Error::user(
            "--set, --set-guide and --device are of the spec that --determinism names, and there is none",
        ));
    }
    let (host, versions) = (host(), versions());
    let gpus = probe(&[]);
    let chosen = choose(Request::Auto)?;
    let memory = memory::total().map(|bytes| bytes >> 20);
    let instructions = instructions();
    if output.json {
        return print(&pretty(&json!({
            "host": host,
            "versions": versions,
            "engine": TRAINING_ENGINE,
            "evaluation-engine": EVALUATION_ENGINE,
            "built-from": tool(),
            "memory-mib": memory,
            "instructions": instructions,
            "gpus": gpus,
            "gpu-problem": gpus.failure.as_ref().map(ToString::to_string),
            "gpu-note": gpus.headers_note(),
            "device": chosen.kind.to_string(),
        }))?);
    }
    let gpus = gpu_lines(&gpus);
    let note = chosen.note.map(|note| format!(" ({note})")).unwrap_or_default();
    print(&format!(
        "oncospec      {}, engine {}, {}\nburn          {}\ncompiler      {}\n\
         processor     {}, {} cores\ninstructions  {}\nsystem        {}\nmemory        {} MiB\n\
         {gpus}device auto   {}{note}\n",
        versions.oncospec,
        &TRAINING_ENGINE[..12],
        &EVALUATION_ENGINE[..12],
        versions.burn,
        versions.rustc,
        host.cpu,
        host.cores,
        instructions.join(", "),
        host.os,
        memory.map_or("unknown".into(), |mib| mib.to_string()),
        chosen.kind
    ))
}

/// What there is to compute on GPUs with, what is missing, and what that costs.
fn gpu_lines(found: &Probe) -> String {
    if let Some(failure @ (Failure::NoLibrary | Failure::NotLoaded(_) | Failure::NoneVisible)) =
        &found.failure
    {
        return format!("GPUs          none: {failure}\n");
    }
    let mut lines = String::new();
    if let Some(driver) = &found.driver {
        lines += &format!("GPU driver    {driver}\n");
    }
    for Gpu { index, name, capability: [major, minor], memory_bytes } in &found.gpus {
        lines += &format!(
            "GPU           cuda:{index}, {name}, compute capability {major}.{minor}, {} MiB\n",
            memory_bytes >> 20
        );
    }
    if let Some(compiler) = &found.compiler {
        lines += &format!("NVRTC         {compiler}\n");
    }
    lines += &match (found.headers_note(), &found.headers) {
        (Some(note), _) => format!("CUDA headers  {note}\n"),
        (None, Some(folder)) if found.missing_headers.is_empty() => {
            format!("CUDA headers  {}\n", folder.display())
        }
        (None, _) => "CUDA headers  not found, and not needed: no GPU has tensor cores for single precision\n".into(),
    };
    lines += &match &found.failure {
        Some(failure) => format!("GPU test      failed: {failure}\n"),
        None => "GPU test      kernels compile, and a product of matrices is right\n".into(),
    };
    lines
}

/// Vector instructions that the CPU backend can use here.
fn instructions() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let found = [
        ("AVX-512", std::arch::is_x86_feature_detected!("avx512f")),
        ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
        ("FMA", std::arch::is_x86_feature_detected!("fma")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let found = [("NEON", cfg!(target_arch = "aarch64"))];
    found.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}
