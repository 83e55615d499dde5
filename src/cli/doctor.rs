//! `oncospec doctor`.

use serde_json::json;

use super::{Output, pretty, print};
use crate::device::{Request, choose, gpus};
use crate::error::Result;
use crate::plan::{EVALUATION_ENGINE, TRAINING_ENGINE};
use crate::provenance::{host, tool, versions};

/// Shows the hardware and software that runs use.
pub(super) fn execute(output: Output) -> Result<u8> {
    let (host, versions) = (host(), versions());
    let gpus = gpus();
    let chosen = choose(Request::Auto)?;
    let memory = memory_mib();
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
            "gpus": gpus.clone().unwrap_or_default(),
            "device": chosen.kind.to_string(),
        }))?);
    }
    let gpus = match gpus {
        Ok(names) if names.is_empty() => "the NVIDIA driver lists none".into(),
        Ok(names) => names.join(", "),
        Err(why) => format!("none: {why}"),
    };
    let note = chosen.note.map(|note| format!(" ({note})")).unwrap_or_default();
    print(&format!(
        "oncospec      {}, engine {}, {}\nburn          {}\ncompiler      {}\n\
         processor     {}, {} cores\ninstructions  {}\nsystem        {}\nmemory        {} MiB\n\
         GPUs          {gpus}\ndevice auto   {}{note}\n",
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

/// Total memory, from `/proc`.
fn memory_mib() -> Option<u64> {
    let text = crate::file::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024)
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
