//! What the rules for Active Directory share: clean texts, mail addresses, phones, flags, attributes of an extension.

mod account;
mod address;
mod copies;
mod domain;
mod extension;
mod mail;
mod names;
mod origin;
mod phones;
mod recipient;
mod reference;
mod text;
mod time;

pub use account::AccountControl;
pub use address::{Address, AddressNames};
pub use copies::{Copies, Fixed};
pub use domain::Domain;
pub use extension::{Extension, Wanted, exchange_attributes};
pub use mail::Mail;
pub use names::PersonNames;
pub use origin::Origin;
pub use phones::{PhoneNames, Phones};
pub use recipient::Recipient;
pub use reference::Reference;
pub use text::{First, clean, cut, distinct, optional};
pub use time::seconds;
