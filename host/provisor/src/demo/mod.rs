//! The demo's three companies: their people and groups, made from a seed, and the folder that they are put into.

mod company;
mod folder;
mod ldif;
mod names;
mod random;

pub use company::COMPANIES;
pub use folder::DemoFolder;
