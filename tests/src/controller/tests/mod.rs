//! The double as OpenLDAP's own client sees it.

mod faults;
mod searches;
mod synchronisations;

use std::collections::BTreeSet;
use std::process::Command;

use super::*;
use crate::installed;

const INCREMENTAL: &str = "-2147483648";

/// What a search came to.
#[derive(Debug)]
struct Found {
    code: i32,
    /// Names, each with the lines of its attributes.
    entries: Vec<(String, Vec<String>)>,
    references: Vec<String>,
    comments: Vec<String>,
}

impl Found {
    fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|(dn, _)| dn.as_str()).collect()
    }

    /// The values of all lines with this attribute, in base 64 where they are so.
    fn values(&self, attribute: &str) -> Vec<&str> {
        let lines = self.entries.iter().flat_map(|(_, lines)| lines);
        lines
            .filter_map(|line| {
                line.strip_prefix(attribute)?.strip_prefix(':').map(|value| value.trim_start_matches([':', ' ']))
            })
            .collect()
    }

    /// The names of the attributes, without those that always come.
    fn attributes(&self) -> BTreeSet<&str> {
        let lines = self.entries.iter().flat_map(|(_, lines)| lines);
        let names = lines.filter_map(|line| line.split_once(':').map(|(name, _)| name));
        names.filter(|name| !["objectGUID", "instanceType"].contains(name)).collect()
    }

    fn comment(&self, start: &str) -> &str {
        self.comments.iter().find_map(|comment| comment.strip_prefix(start)).unwrap_or_default()
    }

    fn has_more(&self) -> bool {
        self.comment("# DirSync control continueFlag=") != "0"
    }

    fn cookie(&self) -> &str {
        self.comment("# cookie:: ")
    }
}

fn command(double: &ControllerDouble, program: &str, url: &str) -> Command {
    let mut command = Command::new(installed::program(program).unwrap());
    // The client takes the machine's own name for localhost; the certificate is for the address too.
    command.args(["-x", "-H", &url.replace("localhost", "127.0.0.1")]);
    command.env("LDAPCONF", "/dev/null").env("LDAPRC", "none").env("LDAPTLS_CACERT", double.ca_file());
    command
}

fn search_at(double: &ControllerDouble, url: &str, arguments: &[&str]) -> Found {
    let mut command = command(double, "ldapsearch", url);
    command.args(["-D", &double.account(), "-w", SYNC_PASSWORD, "-LLL", "-o", "ldif-wrap=no"]).args(arguments);
    let output = command.output().unwrap();
    let mut found = Found {
        code: output.status.code().unwrap(),
        entries: Vec::new(),
        references: Vec::new(),
        comments: Vec::new(),
    };
    for line in String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()) {
        if let Some(dn) = line.strip_prefix("dn:") {
            found.entries.push((dn.trim_start_matches([':', ' ']).to_owned(), Vec::new()));
        } else if let Some(url) = line.strip_prefix("# ref") {
            found.references.push(url.to_owned());
        } else if line.starts_with('#') {
            found.comments.push(line.to_owned());
        } else {
            found.entries.last_mut().unwrap().1.push(line.to_owned());
        }
    }
    found
}

fn search(double: &ControllerDouble, arguments: &[&str]) -> Found {
    search_at(double, &double.url(), arguments)
}

fn below(double: &ControllerDouble, arguments: &[&str]) -> Found {
    search(double, &[&["-b", &double.base()], arguments].concat())
}

/// A synchronisation from a cookie; an empty one begins anew.
fn sync(double: &ControllerDouble, flags: &str, cookie: &str, arguments: &[&str]) -> Found {
    let cookie = if cookie.is_empty() { String::new() } else { format!("/{cookie}") };
    below(double, &[&["-E", &format!("!dirSync={flags}/0{cookie}")], arguments].concat())
}

fn double() -> ControllerDouble {
    ControllerDouble::start(&ControllerOptions::default()).unwrap()
}

/// A unit with so many users and a group of them all.
fn staffed(count: usize) -> (ControllerDouble, Guid, Vec<Guid>) {
    let double = double();
    let (group, users) = double.change(|domain| {
        let staff = domain.add(domain.domain(), Class::Unit, "Staff", &[]).unwrap();
        let add = |number| {
            let mail = format!("u{number}@lab.test");
            domain.add(staff, Class::User, &format!("User {number}"), &[("mail", &mail)]).unwrap()
        };
        let users: Vec<Guid> = (0..count).map(add).collect();
        let group = domain.add(staff, Class::Group, "All", &[]).unwrap();
        domain.link_all(group, "member", &users).unwrap();
        (group, users)
    });
    (double, group, users)
}
