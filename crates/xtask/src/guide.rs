//! The reviewer's guide: the tests it names, found in the source, and its tables.

use crate::python::at;
use crate::shell::root;
use std::fs;
use std::path::{Path, PathBuf};

/// The place of tests that stand beside the code.
pub(crate) const LIBRARY: &str = "src";

/// A test that a page names, written `package::place::test`; the place is a file of `tests`, or `src`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) package: String,
    pub(crate) place: String,
    pub(crate) test: String,
}

impl Named {
    fn parse(span: &str) -> Option<Self> {
        let mut parts = span.split("::");
        let (package, place, test) = (parts.next()?, parts.next()?, parts.next()?);
        let word =
            |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let named = package.starts_with("mediveil-") && word(place) && word(test) && parts.next().is_none();
        named.then(|| Self { package: package.into(), place: place.into(), test: test.into() })
    }
}

/// What stands between back quotes.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The tests named in a text, in its order.
pub(crate) fn tests_in(text: &str) -> Vec<Named> {
    spans(text).filter_map(Named::parse).collect()
}

/// The rows of the first table whose first heading is this, without their heading.
pub(crate) fn table(text: &str, first: &str) -> Vec<Vec<String>> {
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect() };
    let mut lines = text.lines().skip_while(|l| !(l.starts_with('|') && cells(l).first().is_some_and(|c| c == first)));
    let _ = (lines.next(), lines.next());
    lines.take_while(|l| l.starts_with('|')).map(cells).collect()
}

/// A page of the guide.
pub(crate) fn page(name: &str) -> Result<String, String> {
    let file = root().join("docs").join(name);
    at(&file, fs::read_to_string(&file))
}

/// The pages, by name.
#[cfg(test)]
pub(crate) fn pages() -> Result<Vec<(String, String)>, String> {
    let folder = root().join("docs");
    let mut pages = Vec::new();
    for entry in at(&folder, fs::read_dir(&folder))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|e| e == "md") {
            pages.push((name.clone(), page(&name)?));
        }
    }
    pages.sort();
    Ok(pages)
}

/// The folder of each package of the workspace that has tests.
pub(crate) fn home(package: &str) -> Option<PathBuf> {
    let short = package.strip_prefix("mediveil-")?;
    let home = match short {
        "circuits" => root().join("circuits"),
        "c" => root().join("bindings/c"),
        "py" => root().join("bindings/python"),
        "bridge" => root().join("bindings/bridge"),
        other => root().join("crates").join(other),
    };
    home.is_dir().then_some(home)
}

fn has_test(file: &Path, test: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {test}(")))
}

fn any_under(folder: &Path, test: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.path()).any(|path| if path.is_dir() { any_under(&path, test) } else { has_test(&path, test) })
}

/// Whether the test is there.
pub(crate) fn exists(named: &Named) -> bool {
    home(&named.package).is_some_and(|home| match named.place.as_str() {
        LIBRARY => any_under(&home.join("src"), &named.test),
        place => has_test(&home.join("tests").join(format!("{place}.rs")), &named.test),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_that_the_guide_names_exists() {
        let mut named = 0;
        for (name, text) in pages().unwrap() {
            for test in tests_in(&text) {
                assert!(exists(&test), "{name}: {test:?}");
                named += 1;
            }
        }
        assert!(named > 60, "{named} tests named");
        let made_up = Named { package: "mediveil-seal".into(), place: "ring".into(), test: "no_such_test".into() };
        assert!(!exists(&made_up));
    }

    #[test]
    fn every_task_that_the_guide_names_exists() {
        let help = crate::HELP;
        for (name, text) in pages().unwrap() {
            let tasks =
                text.split("cargo xtask ").skip(1).filter_map(|t| t.split(|c: char| !c.is_alphanumeric()).next());
            for task in tasks {
                assert!(help.contains(&format!("\n  {task}")), "{name}: cargo xtask {task}");
            }
        }
    }

    #[test]
    fn every_link_of_the_guide_leads_to_a_file() {
        for (name, text) in pages().unwrap() {
            for link in text.split("](").skip(1).filter_map(|t| t.split(')').next()) {
                let file = link.split('#').next().unwrap_or_default();
                assert!(file.is_empty() || root().join("docs").join(file).exists(), "{name}: {link}");
            }
        }
    }

    #[test]
    fn the_ten_claims_are_ten_and_each_has_its_test() {
        let rows = table(&page("README.md").unwrap(), "n");
        assert_eq!(rows.len(), 10);
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(row.first(), Some(&(n + 1).to_string()));
            assert_eq!(tests_in(row.last().unwrap()).len(), 1, "{row:?}");
        }
    }

    /// The dependency table names exactly what the root manifest does, with the licence that the package itself declares.
    #[test]
    fn the_dependency_table_is_that_of_the_manifest() {
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        let mut listed: Vec<String> = section
            .lines()
            .filter_map(|l| l.split_once(" = "))
            .filter(|(key, value)| !key.starts_with('#') && !value.contains("path = "))
            .map(|(key, value)| {
                let other = value.split("package = \"").nth(1).and_then(|rest| rest.split('"').next());
                other.unwrap_or(key).to_owned()
            })
            .collect();
        listed.sort();
        listed.dedup();
        let mut table: Vec<String> = table(&page("dependencies.md").unwrap(), "crate")
            .iter()
            .map(|row| row.first().unwrap().trim_matches('`').to_owned())
            .collect();
        table.sort();
        let missing: Vec<&String> = listed.iter().filter(|l| !table.contains(l)).collect();
        let surplus: Vec<&String> = table.iter().filter(|t| !listed.contains(t)).collect();
        assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:?}, surplus {surplus:?}");
    }
}
