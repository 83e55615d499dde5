//! Stages as indexed Jobs of Kubernetes.
//!
//! Kubernetes has no order among Jobs: those that come after others are suspended, and the head of the manifest has the
//! commands that let them begin. The documents are JSON, which YAML holds.

use serde_json::{Value, json};

use super::element::{AFTER_KILLS, COMMAND, STOPPED};
use super::stages::{Stage, Stages};
use crate::error::{Error, Result};

/// Where pods run.
pub(super) struct Place<'a> {
    pub image: &'a str,
    /// The volume claim of the folder that they share.
    pub claim: &'a str,
    /// Where they see it.
    pub folder: &'a str,
}

/// Where pods see the stages.
const STAGES: &str = "/etc/oncospec/stages.json";

/// The most that Kubernetes takes of a ConfigMap, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// The longest name of a Job whose pods have names.
const MOST_NAME: usize = 50;

/// The longest value of a label.
const MOST_LABEL: usize = 63;

/// The manifest of stages: their ConfigMap, and a Job for each.
///
/// # Errors
/// If they are more than a ConfigMap holds.
pub(super) fn manifest(name: &str, stages: &Stages, place: &Place) -> Result<String> {
    let as_json = |error: serde_json::Error| Error::failed(format!("cannot write JSON: {error}"));
    let text = serde_json::to_string(stages).map_err(as_json)?;
    if text.len() > MOST_BYTES {
        return Err(Error::user(format!(
            "{name}: its runs take {} bytes, and a ConfigMap of Kubernetes holds {MOST_BYTES}: write a manifest for a part of \
             them, by fewer `seeds` or a `dataset.split.fold`",
            text.len()
        )));
    }
    let map = label(&format!("{name}-stages"));
    let jobs: Vec<String> =
        stages.stages.iter().enumerate().map(|(at, stage)| job_name(name, at, stage)).collect();
    let mut documents = vec![json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": map, "labels": labels(name) },
        "data": { "stages.json": text },
    })];
    for (at, stage) in stages.stages.iter().enumerate() {
        documents.push(job(name, (at, stage), &jobs[at], &map, place));
    }
    let mut text = head(stages, &jobs);
    for document in documents {
        text += "---\n";
        text += &serde_json::to_string_pretty(&document).map_err(as_json)?;
        text.push('\n');
    }
    Ok(text)
}

/// The commands that apply the manifest and let each Job begin when those before it have ended, for bash to read.
fn head(stages: &Stages, jobs: &[String]) -> String {
    let mut text = String::from(
        r#"# Written by `oncospec manifest --kind kubernetes`. Jobs that come after others are suspended. The commands below, which
#     sed -n 's/^#   //p' MANIFEST | bash -s MANIFEST
# carries out, apply the manifest and let each begin when those before it have ended; where one that it needs failed, it is deleted.
#   ended() {
#       kubectl wait --timeout=-1s --for=condition=complete "job/$1" &
#       kubectl wait --timeout=-1s --for=condition=failed "job/$1" &
#       wait -n; kill $(jobs -p) 2>/dev/null; wait
#   }
#   begin() {
#       for needed in "${@:2}"; do
#           kubectl wait --timeout=1s --for=condition=complete "job/$needed" || { kubectl delete "job/$1"; return; }
#       done
#       kubectl patch "job/$1" --type=merge -p '{"spec":{"suspend":false}}'
#   }
#   kubectl apply -f "$1"
"#,
    );
    let mut awaited: Vec<usize> = Vec::new();
    for (at, stage) in stages.stages.iter().enumerate().filter(|(_, stage)| !stage.after.is_empty())
    {
        for after in stage.after.iter().filter(|after| !awaited.contains(&after.stage)) {
            text += &format!("#   ended {}\n", jobs[after.stage]);
        }
        awaited.extend(stage.after.iter().map(|after| after.stage));
        let needed = stage.after.iter().filter(|after| after.succeeded);
        let needed: String = needed.map(|after| format!(" {}", jobs[after.stage])).collect();
        text += &format!("#   begin {}{needed}\n", jobs[at]);
    }
    text
}

fn job_name(name: &str, at: usize, stage: &Stage) -> String {
    cut(&label(&format!("{name}-{at}-{}", stage.name)), MOST_NAME)
}

/// A text as a name of Kubernetes: lower-case letters, digits and `-`, of which a letter is the first.
fn label(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(plain).collect();
    let text = text.trim_matches('-').to_string();
    match text.starts_with(|c: char| c.is_ascii_lowercase()) {
        true => text,
        false => format!("o-{text}"),
    }
}

fn labels(name: &str) -> Value {
    json!({ "app.kubernetes.io/name": "oncospec", "app.kubernetes.io/instance": cut(&label(name), MOST_LABEL) })
}

/// A name of no more than so many letters.
fn cut(text: &str, most: usize) -> String {
    text[..text.len().min(most)].trim_end_matches('-').to_string()
}

fn job(name: &str, (at, stage): (usize, &Stage), job: &str, map: &str, place: &Place) -> Value {
    let resources = &stage.resources;
    let count = stage.elements.len();
    let mut given = json!({ "cpu": resources.cpus.to_string() });
    if let Some(memory) = &resources.memory {
        given["memory"] = memory_of(memory).into();
    }
    if resources.gpus > 0 {
        given["nvidia.com/gpu"] = resources.gpus.to_string().into();
    }
    let at_once = resources.at_once.map_or(count, |most| count.min(most as usize));
    let container = json!({
        "name": "oncospec",
        "image": place.image,
        "workingDir": place.folder,
        "command": ["oncospec", COMMAND, STAGES, at.to_string(), "$(JOB_COMPLETION_INDEX)"],
        "env": [
            { "name": "RAYON_NUM_THREADS", "value": resources.cpus.to_string() },
            { "name": "XDG_CACHE_HOME", "value": "/tmp" },
        ],
        "resources": { "requests": given, "limits": given },
        "volumeMounts": [
            { "name": "shared", "mountPath": place.folder },
            { "name": "stages", "mountPath": "/etc/oncospec", "readOnly": true },
        ],
    });
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job,
            "labels": labels(name),
            "annotations": { "oncospec/stage": stage.name },
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": count,
            "parallelism": at_once,
            "suspend": !stage.after.is_empty(),
            "backoffLimitPerIndex": AFTER_KILLS,
            // Stopped elements and those of a node that is drained go on and count as no failure; one that failed by itself
            // would fail again.
            "podFailurePolicy": { "rules": [
                { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                { "action": "Ignore", "onExitCodes": { "operator": "In", "values": [STOPPED] } },
                { "action": "FailIndex", "onExitCodes": { "operator": "In", "values": [1, 2] } },
            ] },
            "template": {
                "metadata": { "labels": labels(name) },
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": resources.notice,
                    "containers": [container],
                    "volumes": [
                        { "name": "shared", "persistentVolumeClaim": { "claimName": place.claim } },
                        { "name": "stages", "configMap": { "name": map } },
                    ],
                },
            },
        },
    })
}

/// Memory as Kubernetes writes what Slurm writes as `16G`, or as `16000` in MiB.
fn memory_of(text: &str) -> String {
    match text.ends_with(|c: char| c.is_ascii_alphabetic()) {
        true => format!("{text}i"),
        false => format!("{text}Mi"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_memory_are_as_kubernetes_has_them() {
        assert_eq!(label("CI_phantom.unet"), "ci-phantom-unet");
        assert_eq!(label("3-fold"), "o-3-fold");
        assert_eq!(cut(&"a-".repeat(40), MOST_LABEL).len(), 63);
        assert_eq!((memory_of("16G"), memory_of("16000")), ("16Gi".into(), "16000Mi".into()));
    }
}
