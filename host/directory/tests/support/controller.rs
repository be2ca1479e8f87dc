//! The double of a domain controller, as tests start it, fill it and read it.

use provisor_directory::{ActiveDirectoryOptions, Directory};
use provisor_tests::controller::{SYNC_ACCOUNT, SYNC_PASSWORD};
use provisor_tests::{Class, ControllerDouble, ControllerOptions, Guid};

use super::domain::{self, connection, directory};

pub fn start() -> ControllerDouble {
    ControllerDouble::start(&ControllerOptions::default()).unwrap()
}

/// The domain as read from these controllers.
pub fn options(controllers: &[&ControllerDouble]) -> ActiveDirectoryOptions {
    let urls: Vec<String> = controllers.iter().map(|controller| controller.tls_url()).collect();
    let who = format!("{SYNC_ACCOUNT}@lab.test");
    domain::options(connection(&urls, controllers[0].ca_file(), &who, SYNC_PASSWORD))
}

pub fn read_from(controllers: &[&ControllerDouble]) -> Directory {
    directory(options(controllers))
}

/// A unit with so many people in it, `u0` and so on.
pub fn people(controller: &ControllerDouble, count: usize) -> Vec<Guid> {
    controller.change(|domain| {
        let unit = domain.add(domain.domain(), Class::Unit, "People", &[]).unwrap();
        (0..count)
            .map(|number| {
                let mail = format!("u{number}@lab.test");
                domain.add(unit, Class::User, &format!("u{number}"), &[("mail", &mail)]).unwrap()
            })
            .collect()
    })
}

pub fn group(controller: &ControllerDouble, name: &str, of: &[Guid]) -> Guid {
    controller.change(|domain| {
        let group = domain.add(domain.users(), Class::Group, name, &[]).unwrap();
        domain.link_all(group, "member", of).unwrap();
        group
    })
}
