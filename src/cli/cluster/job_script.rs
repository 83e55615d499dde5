//! The script of the jobs of a stage.

use std::path::Path;

use super::element::{AFTER_KILLS, COMMAND, STOPPED};
use crate::shell::{quoted, shell};
use crate::spec::SlurmSpec;

/// What a job of a stage does, given the place of its array's first element: it makes its element, and puts itself into the
/// queue again where that was stopped or killed.
///
/// Slurm signals the step. Where it signals the script itself, it is ending the job, and puts it into the queue again or not
/// as it was told.
pub(super) fn job_script(
    resources: &SlurmSpec,
    program: &str,
    (stages, notes): (&Path, &Path),
    stage: usize,
) -> String {
    let modules = match resources.modules.as_slice() {
        [] => String::new(),
        modules => format!("module load {}\n", shell(modules)),
    };
    let text = |path: &Path| path.display().to_string();
    let container = resources.container.as_deref();
    let mut words: Vec<String> = match container {
        // Apptainer's --nv warns, and goes on, where there is no GPU.
        Some(image) => ["apptainer", "exec", "--nv", image].map(String::from).into(),
        None => Vec::new(),
    };
    words.extend([program.into(), COMMAND.into(), text(stages), stage.to_string()]);
    let (element, notes) = (shell(&words), quoted(&text(notes)));
    let (requeues, after_kills) = (resources.requeues, resources.requeues.min(AFTER_KILLS));
    format!(
        r#"#!/bin/bash -l
# Written by oncospec: makes one element of a stage. The argument is the place of the array's first element in it.
{modules}export RAYON_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"
ending=
trap 'ending=yes' TERM
srun --ntasks=1 --cpus-per-task="$RAYON_NUM_THREADS" \
    {element} "$(($1 + SLURM_ARRAY_TASK_ID))" --notes {notes} &
step=$!
# A signal ends a wait, and not the step.
wait "$step"
code=$?
while kill -0 "$step" 2>/dev/null; do
    wait "$step"
    code=$?
done
case "$code" in
{STOPPED}) most={requeues} ;; # stopped
137) most={after_kills} ;; # killed
*) exit "$code" ;;
esac
if [ -z "$ending" ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt "$most" ]; then
    echo "requeued, for the $((${{SLURM_RESTART_COUNT:-0}} + 1)). time of $most"
    # Slurm ends this script when it has put the job into the queue.
    scontrol requeue "$SLURM_JOB_ID" && sleep 60
fi
exit "$code"
"#
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn names_with_spaces_and_quotes_stay_one_word_in_a_script_that_bash_accepts() {
        let resources = SlurmSpec {
            modules: vec!["cuda/12.4".into(), "gcc".into()],
            container: Some("/images/it's one.sif".into()),
            requeues: 2,
            ..SlurmSpec::default()
        };
        let places = (Path::new("/a b/stages.json"), Path::new("/a b/notes"));
        let script = job_script(&resources, "onco spec", places, 3);
        assert!(script.contains("module load cuda/12.4 gcc\n"), "{script}");
        let element = r"apptainer exec --nv '/images/it'\''s one.sif' 'onco spec' element '/a b/stages.json' 3 ";
        assert!(script.contains(element), "{script}");
        assert!(script.contains("75) most=2 ;;") && script.contains("137) most=2 ;;"));
        let accepted = Command::new("bash").args(["-n", "-c", &script]).status().unwrap();
        assert!(accepted.success());
    }
}
