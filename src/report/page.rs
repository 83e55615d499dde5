//! The page, by minijinja.

use std::io::ErrorKind;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, escape_formatter};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::names;
use super::words;
use crate::error::{Error, Result};
use crate::split_name::NoSplit;
use crate::text;

/// The scripts of the page, in their order, by the names of the files that may replace them.
const SCRIPTS: [(&str, &str); 4] = [
    ("base.js", include_str!("../../templates/base.js")),
    ("tables.js", include_str!("../../templates/tables.js")),
    ("charts.js", include_str!("../../templates/charts.js")),
    ("cases.js", include_str!("../../templates/cases.js")),
];

/// The built-in templates, by the names of the files that may replace them.
const TEMPLATES: [(&str, &str); 21] = [
    ("page.html.j2", include_str!("../../templates/page.html.j2")),
    ("macros.html.j2", include_str!("../../templates/macros.html.j2")),
    ("status.html.j2", include_str!("../../templates/status.html.j2")),
    ("results.html.j2", include_str!("../../templates/results.html.j2")),
    ("index.html.j2", include_str!("../../templates/index.html.j2")),
    ("literature.html.j2", include_str!("../../templates/literature.html.j2")),
    ("curves.html.j2", include_str!("../../templates/curves.html.j2")),
    ("film.html.j2", include_str!("../../templates/film.html.j2")),
    ("pictures.html.j2", include_str!("../../templates/pictures.html.j2")),
    ("answer.html.j2", include_str!("../../templates/answer.html.j2")),
    ("cases.html.j2", include_str!("../../templates/cases.html.j2")),
    ("classes.html.j2", include_str!("../../templates/classes.html.j2")),
    ("strata.html.j2", include_str!("../../templates/strata.html.j2")),
    ("data.html.j2", include_str!("../../templates/data.html.j2")),
    ("guide.html.j2", include_str!("../../templates/guide.html.j2")),
    ("model.html.j2", include_str!("../../templates/model.html.j2")),
    ("configuration.html.j2", include_str!("../../templates/configuration.html.j2")),
    ("provenance.html.j2", include_str!("../../templates/provenance.html.j2")),
    ("dedup.html.j2", include_str!("../../templates/dedup.html.j2")),
    ("style.css", include_str!("../../templates/style.css")),
    ("interactive.css", include_str!("../../templates/interactive.css")),
];

/// Renders the page; files in `folder` replace the built-in templates of the same name.
///
/// # Errors
/// When `folder` is not there or holds no template, or when a template is wrong: file and line are
/// named.
pub(super) fn render<T: Serialize>(page: &T, folder: Option<&Path>) -> Result<String> {
    render_template("page.html.j2", page, folder)
}

/// Renders one of the templates.
///
/// # Errors
/// As [`render`].
pub(super) fn render_template<T: Serialize>(
    template: &str,
    page: &T,
    folder: Option<&Path>,
) -> Result<String> {
    let environment = environment(folder)?;
    let page = serde_json::to_value(page)
        .map_err(|error| Error::failed(format!("the page cannot be put together: {error}")))?;
    environment
        .get_template(template)
        .and_then(|template| template.render(value(page)))
        .map_err(|error| wrong(folder, &error))
}

/// Checks the templates of a folder before there is a page to render.
///
/// # Errors
/// As `render`, except for mistakes that only rendering shows.
pub fn check_templates(folder: &Path) -> Result<()> {
    environment(Some(folder)).map(|_| ())
}

/// The templates, read and parsed.
fn environment(folder: Option<&Path>) -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| wrong(None, &error))?);
    environment.set_formatter(|out, state, value| match value.as_str() {
        // Hidden characters are shown, whichever template prints them.
        Some(printed) if !value.is_safe() => {
            escape_formatter(out, state, &Value::from(text::lines(printed).into_owned()))
        }
        Some(_) | None => escape_formatter(out, state, value),
    });
    add_filters(&mut environment);
    let mut scripts = Vec::new();
    for (name, source) in sources(folder)? {
        if SCRIPTS.iter().any(|(script, _)| *script == name) {
            scripts.push(Script::new(source));
        } else {
            environment.add_template_owned(name, source).map_err(|error| wrong(folder, &error))?;
        }
    }
    let scripts = serde_json::to_value(&scripts)
        .map_err(|error| Error::failed(format!("the scripts of the page: {error}")))?;
    environment.add_global("scripts", value(scripts));
    Ok(environment)
}

/// A script of the page, which its Content-Security-Policy allows by its hash.
#[derive(Serialize)]
struct Script {
    source: String,
    /// Base64 of its SHA-256.
    sha256: String,
}

impl Script {
    fn new(source: String) -> Self {
        let sha256 = STANDARD.encode(Sha256::digest(source.as_bytes()));
        Self { source, sha256 }
    }
}

/// The source of each template and script: of the folder, or else built in.
fn sources(folder: Option<&Path>) -> Result<Vec<(&'static str, String)>> {
    let built_in = || TEMPLATES.iter().chain(&SCRIPTS);
    let Some(folder) = folder else {
        return Ok(built_in().map(|(name, source)| (*name, source.to_string())).collect());
    };
    let mut replaced = 0;
    let mut sources = Vec::new();
    for &(name, source) in built_in() {
        let file = folder.join(name);
        match crate::file::read_to_string(&file) {
            Ok(own) => {
                replaced += 1;
                sources.push((name, own));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                sources.push((name, source.to_owned()));
            }
            Err(error) => return Err(Error::io(file, "cannot read")(error)),
        }
    }
    if replaced == 0 {
        let names: Vec<&str> = built_in().map(|(name, _)| *name).collect();
        return Err(Error::user(format!(
            "{}: holds none of the templates; it may replace {}",
            folder.display(),
            names.join(", ")
        )));
    }
    Ok(sources)
}

fn wrong(folder: Option<&Path>, error: &minijinja::Error) -> Error {
    let mut causes = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if !causes.is_empty() {
            causes.push_str(": ");
        }
        causes.push_str(&error.to_string());
        cause = error.source();
    }
    match folder {
        Some(folder) => Error::user(format!("templates in {}: {causes}", folder.display())),
        None => Error::failed(format!("a built-in template is wrong: {causes}")),
    }
}

/// JSON as a value of minijinja.
fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(value),
        serde_json::Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64()),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => items.into_iter().map(value).collect(),
        serde_json::Value::Object(fields) => {
            Value::from_pairs(fields.into_iter().map(|(key, field)| (key, value(field))))
        }
    }
}

/// Filters for numbers and names; an undefined value is a dash.
fn add_filters(environment: &mut Environment) {
    environment.add_filter("figure", |x: Option<f64>| number(x, words::figure));
    environment.add_filter("percent", |x: Option<f64>| number(x, words::percent));
    environment.add_filter("seconds", |x: Option<f64>| number(x, words::seconds));
    environment.add_filter("rate", |x: Option<f64>| number(x, |x| format!("{x:.2e}")));
    environment.add_filter("si", |x: Option<f64>| number(x, words::si));
    environment.add_filter("times", words::times);
    environment.add_filter("sentence", |text: String| words::sentence(&text));
    environment.add_filter("name", |name: String| Value::from_safe_string(words::isolated(&name)));
    environment
        .add_filter("breakable", |name: String| Value::from_safe_string(words::breakable(&name)));
    environment.add_filter("count", words::count);
    environment.add_filter("shape", |sides: Vec<usize>| words::shape(&sides));
    environment.add_filter("split_name", |split: String| {
        let unknown = |error: NoSplit| {
            minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, error.to_string())
        };
        split.parse().map(names::split).map_err(unknown)
    });
    environment.add_filter("figure_name", |name: String| names::figure(&name));
}

fn number(value: Option<f64>, text: fn(f64) -> String) -> String {
    value.map_or_else(|| words::UNDEFINED.into(), text)
}
