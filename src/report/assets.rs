//! A page with its pictures in files beside it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::digest::sha256;
use crate::error::{Error, Result};

/// Digits of the SHA-256 of a picture that name its file.
const DIGITS: usize = 16;

/// What the page's policy allows as pictures, inside the page and beside it.
const INSIDE: &str = "img-src data:";
const BESIDE: &str = "img-src 'self' file: data:";

/// A page whose pictures are files of a folder, by their names, each once; `folder` is the path from the page to it.
///
/// # Errors
/// If a picture in the page is damaged.
pub fn with_assets(html: &str, folder: &str) -> Result<(String, BTreeMap<String, Vec<u8>>)> {
    const BEGIN: &str = " src=\"data:image/";
    let mut assets = BTreeMap::new();
    let mut parts = html.split(BEGIN);
    let mut page = parts.next().unwrap_or_default().replacen(INSIDE, BESIDE, 1);
    for part in parts {
        let damaged = || Error::failed("a picture of the page is no data URI");
        let (uri, rest) = part.split_once('"').ok_or_else(damaged)?;
        let (media, data) = uri.split_once(";base64,").ok_or_else(damaged)?;
        let bytes = STANDARD.decode(data).map_err(|_| damaged())?;
        let ending = if media == "jpeg" { "jpg" } else { media };
        let name = format!("{}.{ending}", &sha256(&bytes)[..DIGITS]);
        page.push_str(&format!(" src=\"{folder}/{name}\"{rest}"));
        assets.insert(name, bytes);
    }
    Ok((page, assets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_picture_is_a_file_once() {
        let html = "<meta content=\"img-src data:\"><img src=\"data:image/png;base64,iVBO\" alt=\"a\">\
                    <img src=\"data:image/jpeg;base64,/9j/\"><img src=\"data:image/png;base64,iVBO\">";
        let (page, assets) = with_assets(html, "pictures").unwrap();
        let names: Vec<&String> = assets.keys().collect();
        assert_eq!(names.len(), 2);
        assert!(!page.contains("base64") && page.contains(BESIDE) && page.contains("alt=\"a\""));
        for (name, bytes) in &assets {
            let expected = if name.ends_with(".png") { 2 } else { 1 };
            assert_eq!(page.matches(&format!("src=\"pictures/{name}\"")).count(), expected);
            assert_eq!(bytes.len(), 3);
        }
        assert!(with_assets("<img src=\"data:image/png;base64,iVBO", "a").is_err());
    }
}
