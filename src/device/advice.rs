//! What a person reads of a failure of a device: what it said, in a line, and what can be done.

/// What a device says where something that can be mended is wrong, and how.
const ADVICE: [(&[&str], &str); 6] = [
    (
        &["unsupported_ptx_version", "status 222"],
        "NVRTC is newer than the NVIDIA driver: install a newer driver, or the NVRTC of an older CUDA toolkit",
    ),
    (
        &["libnvrtc-builtins"],
        "NVRTC's builtins are missing: libnvrtc-builtins.so of the same version must lie beside libnvrtc.so",
    ),
    (
        &["could not open source file", "cannot open source file"],
        "a header of CUDA is missing: install a CUDA toolkit, or its packages cuda-cudart-dev, cuda-cccl and cuda-nvcc, \
         and name its folder in CUDA_PATH",
    ),
    (&["cuda installation not found"], "name the folder of a CUDA toolkit in CUDA_PATH"),
    (
        &["illegal_address", "illegal_instruction", "launch_failed", "misaligned", "poisoned"],
        "the GPU can be used again by a new process: `oncospec run --resume` goes on from the last checkpoint; if it fails \
         there again, please report it with this message",
    ),
    (
        &["ecc", "hardware", "device_unavailable", "no_device"],
        "see what `nvidia-smi` and the kernel's log (`dmesg`) say of the GPU",
    ),
];

const FULL: &str = "its memory is full: end other programs that use it (`nvidia-smi` lists them), or use a smaller \
                    schedule.batch-size (schedule.accumulate keeps the number of cases in a step), \
                    schedule.activation-checkpointing = true or a smaller dataset.image-size";

/// What a person reads of a failure: what was done, what the device said of it, and what can be done.
pub(super) fn words(doing: &str, said: &str) -> String {
    let advice = advice(said).map(|advice| format!("; {advice}")).unwrap_or_default();
    format!("the device failed while {doing}: {}{advice}", reason(said))
}

/// What can be done about it, where that is known.
fn advice(said: &str) -> Option<&'static str> {
    if is_out_of_memory(said) {
        return Some(FULL);
    }
    let said = said.to_lowercase();
    let known = ADVICE.iter().find(|(signs, _)| signs.iter().any(|sign| said.contains(sign)));
    known.map(|(_, advice)| *advice)
}

/// Whether memory of the device ran out.
pub(super) fn is_out_of_memory(said: &str) -> bool {
    let said = said.to_lowercase();
    [
        "out of memory",
        "out of device memory",
        "out-of-memory",
        "out_of_memory",
        "outofmemory",
        "can't allocate",
        "bytes are available",
    ]
    .iter()
    .any(|sign| said.contains(sign))
}

/// Lines that say only that something happened; what did follows them.
const NOTHING: [&str; 9] = [
    "Caused by:",
    "An error happened during execution",
    "An IO error happened",
    "A compilation error happened during launch",
    "An unknown error happened during launch",
    "A launch error happened",
    "Several failures at once",
    "Failed to access TensorData storage: failed to materialize bytes: An error happened during execution",
    "[Compilation Error]",
];

/// What happened, in a line: without backtraces, the source of kernels, and what the failure made fail after it.
pub(super) fn reason(said: &str) -> String {
    // The log has messages in the form of Rust's strings.
    let said = said.replace("\\n", "\n").replace("\\\"", "\"");
    let told = said.split("[Source]").next().unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    for line in told.lines().map(str::trim) {
        let line = in_mib(line);
        if !line.is_empty() && !says_nothing(&line) && !lines.contains(&line) {
            lines.push(line);
        }
    }
    let full = lines.iter().find(|line| is_out_of_memory(line));
    let line = full.cloned().unwrap_or_else(|| lines.join(": "));
    const MOST: usize = 300;
    match line.char_indices().nth(MOST) {
        _ if line.is_empty() => "it gave no reason".into(),
        Some((end, _)) => format!("{} ..", &line[..end]),
        None => line,
    }
}

/// Whether a line is of a backtrace, or says only that something happened.
fn says_nothing(line: &str) -> bool {
    let is_frame = line.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    is_frame || NOTHING.contains(&line) || TRACES.iter().any(|start| line.starts_with(start))
}

/// How lines begin that are of a backtrace, or name what failed because of the failure.
const TRACES: [&str; 8] = [
    "Backtrace",
    "stack backtrace",
    "No backtrace available",
    "Asked at:",
    "at /",
    "The bytes were never written",
    "skipped `",
    "(",
];

/// A line, in which a large number of bytes is one of MiB.
fn in_mib(line: &str) -> String {
    let bytes =
        line.split(' ').find(|word| word.parse::<u64>().is_ok_and(|bytes| bytes >= 1 << 20));
    match bytes.and_then(|word| Some((word, word.parse::<f64>().ok()?))) {
        Some((word, bytes)) => {
            let written = format!("{word} bytes");
            line.replacen(&written, &format!("{:.1} MiB", bytes / f64::from(1 << 20)), 1)
        }
        None => line.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_ran_out_is_told_in_a_line_with_what_to_do() {
        let said = "An error happened during execution\nCaused by:\n  Several failures at once\nCaused by:\n  The bytes were \
                    never written (failure #43566, still claiming 8 buffer(s))\nCaused by:\n  An IO error happened\nCaused \
                    by:\n  out of device memory allocating 5242880 bytes\nNo backtrace available\nAsked at:\nNo backtrace \
                    available\nThe bytes were never written (failure #2, still claiming 7 buffer(s))";
        let words = words("training, epoch 1, step 3, cases a, b", said);
        assert_eq!(
            words,
            format!(
                "the device failed while training, epoch 1, step 3, cases a, b: out of device memory allocating 5.0 MiB; {FULL}"
            )
        );
        assert!(FULL.contains("schedule.batch-size"));
        assert!(FULL.contains("schedule.activation-checkpointing = true"));
    }

    #[test]
    fn each_kind_of_failure_has_its_advice() {
        for (said, advice) in [
            (
                "Unable to load the PTX: DriverError(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, \"..\")",
                "newer driver",
            ),
            ("nvrtc: error: failed to open libnvrtc-builtins.so.12.9.", "beside libnvrtc.so"),
            (
                "default_program(2): catastrophic error: could not open source file \"mma.h\"",
                "CUDA_PATH",
            ),
            ("CUDA installation not found.", "CUDA_PATH"),
            ("cuEventSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS", "--resume"),
            ("can't allocate buffer of size: 9", "its memory is full"),
            ("CUDA_ERROR_OUT_OF_MEMORY", "its memory is full"),
        ] {
            let words = words("predicting", said);
            assert!(words.starts_with("the device failed while predicting: "), "{words}");
            assert!(words.contains(advice), "{words}");
        }
        assert_eq!(advice("no such tensor"), None);
    }

    #[test]
    fn backtraces_and_sources_of_kernels_are_left_out() {
        let said = "A compilation error happened during launch\nCaused by:\n  [Compilation Error]\n    k.cu(2): error: no such \
                    type\n[Source]\nvoid kernel() {}\nBacktrace\n   0: main\n             at /src/main.rs:3";
        assert_eq!(reason(said), "k.cu(2): error: no such type");
        assert_eq!(reason("no such tensor\nBacktrace:\n  0: f\n     at /g.rs:1"), "no such tensor");
        let skipped = "skipped `ElemwiseFuse`: it needed memory 391, which carried the failure:\n\
                       (25 older skip record(s) were dropped)\nno such kernel";
        assert_eq!(reason(skipped), "no such kernel");
        assert_eq!(reason(""), "it gave no reason");
        assert_eq!(reason(&"x".repeat(400)).len(), 303);
    }
}
