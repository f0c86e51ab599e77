//! Puts what the benches showed into the docs: tables between their marks, pictures beside.
//!
//! `<!-- bench: NAME -->` begins the tables of a bench, `<!-- end of bench -->` ends them.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::{
    exec::say,
    workspace::{self, copy_if_changed},
};

const BEGIN: &str = "<!-- bench: ";
const BEGIN_END: &str = " -->\n";
const END: &str = "<!-- end of bench -->";

/// All pages that have such marks.
pub(super) fn update() -> Result<()> {
    let results = workspace::root().join("target/bench");
    for entry in fs::read_dir(workspace::root().join("docs")).context("cannot read docs")? {
        let page = entry?.path();
        if page.extension() == Some("md".as_ref()) {
            update_page(&page, &results)?;
        }
    }
    pictures(&results)
}

fn update_page(page: &Path, results: &Path) -> Result<()> {
    let old =
        fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
    let new = filled(&old, |name| fs::read_to_string(results.join(format!("{name}.md"))).ok())
        .with_context(|| format!("in {}", page.display()))?;
    if new != old {
        fs::write(page, new).with_context(|| format!("cannot write {}", page.display()))?;
        say("docs", format!("{} is new", page.display()));
    }
    Ok(())
}

fn pictures(results: &Path) -> Result<()> {
    let files = fs::read_dir(results)
        .with_context(|| format!("nothing was measured yet: cannot read {}", results.display()))?;
    for file in files {
        let picture = file?.path();
        let Some(name) =
            picture.file_name().filter(|_| picture.extension() == Some("svg".as_ref()))
        else {
            continue;
        };
        let copy = workspace::root().join("docs/performance").join(name);
        if copy_if_changed(&picture, &copy)? {
            say("docs", format!("{} is new", copy.display()));
        }
    }
    Ok(())
}

/// The page with the tables that `read` gives; those that it does not have stay as they are.
fn filled(page: &str, read: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut parts = page.split(BEGIN);
    let mut new = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((name, rest)) = part.split_once(BEGIN_END) else {
            bail!("`{BEGIN}` is not followed by a name and `-->`");
        };
        let Some((old, after)) = rest.split_once(END) else {
            bail!("the tables of {name} do not end: `{END}` is missing");
        };
        let tables = read(name);
        if tables.is_none() {
            say("docs", format!("{name} was not measured here: its tables stay as they are"));
        }
        let tables = tables.as_deref().unwrap_or(old).trim();
        new.push_str(&[BEGIN, name, BEGIN_END, "\n", tables, "\n\n", END, after].concat());
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_replaced_where_there_are_new_ones() {
        let page = "a\n<!-- bench: x -->\nold\n<!-- end of bench -->\nb\n\
                    <!-- bench: y -->\n\nkept\n\n<!-- end of bench -->\nc\n";
        let new = filled(page, |name| (name == "x").then(|| "new\n".into())).unwrap();
        let expected = page.replace("\nold\n", "\n\nnew\n\n");
        assert_eq!(new, expected);
        assert_eq!(filled(&new, |_| None).unwrap(), expected);
    }

    #[test]
    fn a_mark_without_an_end_is_an_error() {
        assert!(filled("<!-- bench: x -->\nold", |_| None).is_err());
    }
}
