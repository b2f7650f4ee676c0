//! The modules of `src` only use each other as the table in docs/design.md allows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::source::{code, rust_files};

/// Modules, each with those that it may use.
type Rules = BTreeMap<String, BTreeSet<String>>;

/// The names in a cell, such as `a` and `b` of "`a`, `b`, shared".
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The table: the last rows, from `bars` on, are the shared modules.
fn rules() -> Rules {
    let design = include_str!("../../docs/design.md");
    let (_, section) = design.split_once("\n## Modules\n").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells: Vec<Vec<&str>> = rows.map(|row| row.split('|').collect()).collect();
    let first_shared = cells.iter().position(|cells| cells[1].contains("`bars`"));
    let shared = cells[first_shared.expect("shared modules")..].iter();
    let shared: Vec<&str> = shared.flat_map(|cells| names(cells[1])).collect();
    let rule = |cells: &Vec<&str>| {
        let all_shared = if cells[3].contains("shared") { &shared[..] } else { &[] };
        let allowed: BTreeSet<String> = names(cells[3]).chain(all_shared.iter().copied()).map(str::to_owned).collect();
        let modules: Vec<_> = names(cells[1]).map(str::to_owned).collect();
        modules.into_iter().map(move |module| (module, allowed.clone()))
    };
    cells.iter().flat_map(rule).collect()
}

/// The modules that each module uses.
fn uses() -> Rules {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses = Rules::new();
    for path in rust_files(&src) {
        let inside = path.strip_prefix(&src).expect("a file in src");
        let name = inside.components().next().expect("a name").as_os_str();
        let module = name.to_str().expect("a name").trim_end_matches(".rs");
        if ["lib", "main", "fuzzing"].contains(&module) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a text");
        let used = uses.entry(module.to_owned()).or_default();
        for line in code(&text).lines().map(str::trim_start) {
            if line.starts_with("//") {
                continue;
            }
            for after in line.split("crate::").skip(1) {
                let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
                let end = after.find(|character| !is_name(character)).unwrap_or(after.len());
                if after[..end] != *module && !after[..end].is_empty() {
                    used.insert(after[..end].to_owned());
                }
            }
        }
    }
    uses
}

#[test]
fn modules_only_use_what_the_table_in_the_design_allows() {
    let (rules, uses) = (rules(), uses());
    assert!(uses.len() > 15, "only {} modules were found", uses.len());
    let mut problems = Vec::new();
    for (module, used) in &uses {
        let Some(allowed) = rules.get(module) else {
            problems.push(format!("add `{module}` to the table"));
            continue;
        };
        let problem = |other| format!("`{module}` uses `{other}`, which its row does not allow");
        problems.extend(used.difference(allowed).map(problem));
    }
    for module in rules.keys().filter(|module| !uses.contains_key(*module)) {
        problems.push(format!("remove `{module}` from the table: there is no such module"));
    }
    assert!(problems.is_empty(), "docs/design.md, Modules: {problems:#?}");
}
