//! A plugin's test cases: from files beside its sources into a section of its component, where every host finds them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The folder beside a plugin's sources.
const FOLDER: &str = "cases";
/// The custom section.
const SECTION: &str = "provisor:cases";

/// The cases in the folder `cases` of a plugin: each file is one case or a list of them, and files come in the order of
/// their names. None where there is no such folder, or no case in it.
///
/// What a case must have, the load gate knows; here it only has to be JSON with a name.
///
/// # Errors
/// Which file cannot be read, or is no case.
pub fn cases(plugin: &Path) -> Result<Option<Vec<u8>>> {
    let folder = plugin.join(FOLDER);
    if !folder.is_dir() {
        return Ok(None);
    }
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>().context("cannot read the folder of cases")?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let read: Value = serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        let read = match read {
            Value::Array(list) => list,
            one => vec![one],
        };
        if read.iter().any(|case| !case.get("name").is_some_and(Value::is_string)) {
            bail!("{} has a case without a name", file.display());
        }
        cases.extend(read);
    }
    Ok(if cases.is_empty() { None } else { Some(serde_json::to_vec(&cases)?) })
}

/// Puts cases into a component, at its end. A component that carries some already carries both then.
#[must_use]
pub fn with_cases(mut component: Vec<u8>, cases: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(cases.len() + SECTION.len() + 8);
    put_number(&mut content, SECTION.len());
    content.extend_from_slice(SECTION.as_bytes());
    content.extend_from_slice(cases);
    // A custom section (WebAssembly core specification, section 5.5.3).
    component.push(0);
    put_number(&mut component, content.len());
    component.extend_from_slice(&content);
    component
}

/// A number as WebAssembly writes it: seven bits an octet, the lowest first.
fn put_number(octets: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        octets.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FOLDER)).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(FOLDER).join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn files_of_one_case_and_of_several_become_one_list_in_the_order_of_names() {
        let folder = folder(&[
            ("b.json", r#"{"name":"third"}"#),
            ("a.json", r#"[{"name":"first"},{"name":"second"}]"#),
            ("x", ""),
        ]);
        let cases = cases(folder.path()).unwrap().unwrap();
        assert_eq!(String::from_utf8(cases).unwrap(), r#"[{"name":"first"},{"name":"second"},{"name":"third"}]"#);
    }

    #[test]
    fn a_plugin_without_cases_has_no_section() {
        assert!(cases(tempfile::tempdir().unwrap().path()).unwrap().is_none());
        assert!(cases(folder(&[]).path()).unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_no_case_is_named() {
        for text in ["{", "{}", "[{\"name\": 1}]"] {
            let error = cases(folder(&[("wrong.json", text)]).path()).unwrap_err().to_string();
            assert!(error.contains("wrong.json"), "{error}");
        }
    }

    #[test]
    fn a_section_may_be_longer_than_one_octet_tells() {
        let component = with_cases(Vec::new(), &[b'x'; 300]);
        // 1 + 14 + 300 octets, which is 315: 0xbb 0x02.
        assert_eq!(component.get(..4), Some(&[0, 0xbb, 0x02, 14][..]));
        assert_eq!(component.len(), 3 + 315);
    }
}
