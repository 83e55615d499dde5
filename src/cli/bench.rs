//! `oncospec bench`.

use std::path::PathBuf;

use clap::Args;

use super::spec::Overrides;
use super::{Output, OverwriteArgs, pretty, print};
use crate::error::Result;
use crate::outputs::{Outputs, Planned};
use crate::plan::{Depth, Extent, survey};
use crate::run::{Bench, BenchFigures, Mode, dump_batches};

/// Files of a dump.
const WEIGHTS: &str = "weights.safetensors";
const BATCHES: &str = "batches.safetensors";

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Spec file.
    #[arg(value_name = "SPEC")]
    path: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    /// What is timed.
    #[arg(long, value_enum, default_value_t = Mode::Train)]
    mode: Mode,
    /// Cases of a batch; by default the spec's.
    #[arg(long)]
    batch_size: Option<u32>,
    /// Steps before those that are timed.
    #[arg(long, default_value_t = 2)]
    warmup: usize,
    /// Steps that are timed.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Write the first weights and all batches to a folder, as safetensors.
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Times steps on real batches of the training split.
pub(super) fn execute(args: BenchArgs, output: Output) -> Result<u8> {
    let mut overrides = args.overrides.clone();
    overrides.sets.extend(args.batch_size.map(|size| format!("schedule.batch-size={size}")));
    let checked = overrides.check(&args.path, Depth::Headers, output)?.remove(0);
    let spec = &checked.loaded.spec;
    let chosen = overrides.device(spec, output)?;
    let survey = survey(&checked, Extent::Training)?;
    let plan = checked.plan(&survey, spec.seeds[0], chosen.kind.family())?;
    let bench = Bench::new(&plan, &chosen)?;
    let overwrite = args.overwrite.overwrite;
    let dump = match &args.dump {
        Some(folder) => {
            let planned = [WEIGHTS, BATCHES].map(Planned::named).to_vec();
            let files = Outputs::folder(folder, "a dump of batches", planned, overwrite)?;
            files.write_with(WEIGHTS, |path| bench.save_weights(path))?;
            Some(files)
        }
        None => None,
    };
    let (figures, batches) = bench.run(args.mode, [args.warmup, args.steps])?;
    if let Some(files) = &dump {
        files.write_with(BATCHES, |path| dump_batches(&batches, path))?;
    }
    print(&if output.json { pretty(&figures)? } else { words(&figures) })
}

fn words(figures: &BenchFigures) -> String {
    let median = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let step = median(&figures.steps_s);
    let line = |name: &str, values: &[f64]| {
        let seconds = median(values);
        format!("{name:10} {:>9.1} ms {:>5.1}%\n", 1e3 * seconds, 100.0 * seconds / step)
    };
    let mut text = format!(
        "{} {}, {} threads, batch {} of {}x{} px, {} parameters\n",
        match figures.mode {
            Mode::Train => "training on",
            Mode::Infer => "prediction on",
        },
        figures.device,
        figures.threads,
        figures.batch_size,
        figures.image_size.width,
        figures.image_size.height,
        figures.parameters
    );
    text += &line("step", &figures.steps_s);
    if figures.mode == Mode::Train {
        text += &line("forward", &figures.forward_s);
        text += &line("backward", &figures.backward_s);
        text += &line("optimizer", &figures.optimizer_s);
    }
    text += &line("loader", &figures.loader_s);
    let rate = figures.step_gflop / step;
    text + &format!(
        "{:10} {rate:>9.1} GFLOP/s by definition, {:.1} is the machine's matrix product\n\
         {:10} {:>9} MiB\n{:10} {:>9.2} s from start to end of the first step\n",
        "rate",
        figures.gemm_gflops,
        "peak RSS",
        figures.peak_rss_bytes >> 20,
        "first step",
        figures.first_step_s
    )
}
