//! Contracts under construction, and the handles through which a rule reads and writes what it declared.

use crate::bindings::{Apply, Read, Shape, Write};

/// What reads an attribute of the entry: the handle that a contract gave for it.
pub trait Handle: Copy + private::Place {}

pub(crate) mod private {
    /// The place of a handle in its contract's list.
    pub trait Place {
        fn place(self) -> u32;
    }
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub(crate) u32);

        impl private::Place for $name {
            fn place(self) -> u32 {
                self.0
            }
        }

        impl Handle for $name {}
    )*};
}

handles! {
    /// An attribute read as one text: the lowest value by octets where there are several.
    Text
    /// An attribute read as all its texts.
    Texts
    /// An attribute read as one string of octets.
    Binary
    /// An attribute read as all its strings of octets.
    Binaries
    /// An attribute read as true or false.
    Boolean
    /// An attribute read as one whole number.
    Integer
    /// An attribute read as all its whole numbers.
    Integers
    /// An attribute read as a decimal number.
    Decimal
    /// An attribute of which only the presence is sent, to be passed on by the host.
    Unsent
}

/// An attribute of the resource that may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(pub(crate) u32);

/// The same, of the resource as the plugins before this one built it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built<H>(pub(crate) H);

/// The right to be told the cycle's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleTime(pub(crate) ());

/// What a configured mapping reads and writes. It is sent nothing else and may set nothing else.
///
/// ```
/// use provisor_sdk::prelude::*;
///
/// struct Photos {
///     photo: Unsent,
///     photos: Target,
///     password_hint: Target,
/// }
///
/// fn configure(contract: &mut MappingContract) -> Photos {
///     contract.object_class("user").resource_kind("User");
///     Photos {
///         // Large, and only passed on: it need not cross.
///         photo: contract.unsent("jpegPhoto"),
///         photos: contract.write("photos"),
///         password_hint: contract.write_on_create("nickName"),
///     }
/// }
/// # configure(&mut MappingContract::default());
/// ```
#[derive(Debug, Default)]
pub struct MappingContract {
    pub(crate) unused: bool,
    pub(crate) object_classes: Vec<String>,
    pub(crate) reads: Vec<Read>,
    pub(crate) resource_reads: Vec<Read>,
    pub(crate) resource_kind: Option<String>,
    pub(crate) writes: Vec<Write>,
    pub(crate) cycle_time: bool,
}

/// What a configured filter reads. It is sent nothing else.
///
/// ```
/// use provisor_sdk::prelude::*;
///
/// fn configure(contract: &mut FilterContract) -> (Integer, CycleTime) {
///     contract.object_class("user");
///     (contract.integer("contractEnd"), contract.cycle_time())
/// }
/// # configure(&mut FilterContract::default());
/// ```
#[derive(Debug, Default)]
pub struct FilterContract {
    pub(crate) unused: bool,
    pub(crate) object_classes: Vec<String>,
    pub(crate) reads: Vec<Read>,
    pub(crate) cycle_time: bool,
}

#[expect(clippy::cast_possible_truncation, reason = "a contract has far fewer than 2^32 places")]
fn place_of<T>(list: &mut Vec<T>, item: T, same: impl Fn(&T, &T) -> bool) -> u32 {
    let place = list.iter().position(|known| same(known, &item)).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    });
    place as u32
}

fn read(list: &mut Vec<Read>, name: &str, shape: Shape) -> u32 {
    let same = |one: &Read, other: &Read| one.shape == other.shape && one.name.eq_ignore_ascii_case(&other.name);
    place_of(list, Read { name: name.to_owned(), shape }, same)
}

macro_rules! reading {
    ($contract:ident) => {
        impl $contract {
            /// Handles entries of this class; a contract that names none handles all.
            pub fn object_class(&mut self, class: &str) -> &mut Self {
                self.object_classes.push(class.to_owned());
                self
            }

            /// Says that this configuration does not use this kind of rule.
            pub fn unused(&mut self) -> &mut Self {
                self.unused = true;
                self
            }

            /// Reads an attribute as one text.
            pub fn text(&mut self, name: &str) -> Text {
                Text(read(&mut self.reads, name, Shape::Text))
            }

            /// Reads all texts of an attribute.
            pub fn texts(&mut self, name: &str) -> Texts {
                Texts(read(&mut self.reads, name, Shape::Texts))
            }

            /// Reads an attribute as one string of octets.
            pub fn binary(&mut self, name: &str) -> Binary {
                Binary(read(&mut self.reads, name, Shape::Binary))
            }

            /// Reads all strings of octets of an attribute.
            pub fn binaries(&mut self, name: &str) -> Binaries {
                Binaries(read(&mut self.reads, name, Shape::Binaries))
            }

            /// Reads an attribute as TRUE or FALSE; any other value holds the entry.
            pub fn boolean(&mut self, name: &str) -> Boolean {
                Boolean(read(&mut self.reads, name, Shape::Boolean))
            }

            /// Reads an attribute as one whole number; any other value holds the entry.
            pub fn integer(&mut self, name: &str) -> Integer {
                Integer(read(&mut self.reads, name, Shape::Integer))
            }

            /// Reads all whole numbers of an attribute.
            pub fn integers(&mut self, name: &str) -> Integers {
                Integers(read(&mut self.reads, name, Shape::Integers))
            }

            /// Reads an attribute as a decimal number.
            pub fn decimal(&mut self, name: &str) -> Decimal {
                Decimal(read(&mut self.reads, name, Shape::Decimal))
            }

            /// Reads whether an attribute is there, so that the host can pass its values on.
            pub fn unsent(&mut self, name: &str) -> Unsent {
                Unsent(read(&mut self.reads, name, Shape::Unsent))
            }

            /// Reads the entry's distinguished name: the rule is called again when the entry moves.
            pub fn dn(&mut self) -> Text {
                self.text("dn")
            }

            /// Reads what identifies the entry to the target, as text.
            pub fn anchor(&mut self) -> Text {
                self.text("anchor")
            }

            /// Reads the entry's object class, such as `user`.
            pub fn class(&mut self) -> Text {
                self.text("object-class")
            }

            /// Asks to be told the cycle's time. See [`crate::Entry::valid_until`].
            pub fn cycle_time(&mut self) -> CycleTime {
                self.cycle_time = true;
                CycleTime(())
            }
        }
    };
}

reading!(MappingContract);
reading!(FilterContract);

impl FilterContract {
    /// What the host is told: object classes, reads, whether the time is asked for.
    #[doc(hidden)]
    pub fn parts(&self) -> (Vec<String>, Vec<Read>, bool) {
        (self.object_classes.clone(), self.reads.clone(), self.cycle_time)
    }
}

impl MappingContract {
    /// What the host is told: object classes, reads, reads of the resource, its kind, writes, whether the time is asked
    /// for.
    #[doc(hidden)]
    #[expect(clippy::type_complexity, reason = "taken apart at once by the export macros")]
    pub fn parts(&self) -> (Vec<String>, Vec<Read>, Vec<Read>, Option<String>, Vec<Write>, bool) {
        (
            self.object_classes.clone(),
            self.reads.clone(),
            self.resource_reads.clone(),
            self.resource_kind.clone(),
            self.writes.clone(),
            self.cycle_time,
        )
    }

    /// Decides what the entries become: the name of a resource type of the target, such as `User`.
    pub fn resource_kind(&mut self, kind: &str) -> &mut Self {
        self.resource_kind = Some(kind.to_owned());
        self
    }

    /// May set this attribute of the resource: a path in SCIM's notation, such as `name.givenName`.
    pub fn write(&mut self, path: &str) -> Target {
        self.write_when(path, Apply::Always)
    }

    /// The same, but the value counts only when the resource is created.
    pub fn write_on_create(&mut self, path: &str) -> Target {
        self.write_when(path, Apply::OnCreate)
    }

    /// Reads one text of the resource as the plugins before this one built it.
    pub fn built_text(&mut self, path: &str) -> Built<Text> {
        Built(Text(read(&mut self.resource_reads, path, Shape::Text)))
    }

    /// Reads all texts of an attribute of the resource as built so far.
    pub fn built_texts(&mut self, path: &str) -> Built<Texts> {
        Built(Texts(read(&mut self.resource_reads, path, Shape::Texts)))
    }

    /// Reads a truth value of the resource as built so far.
    pub fn built_boolean(&mut self, path: &str) -> Built<Boolean> {
        Built(Boolean(read(&mut self.resource_reads, path, Shape::Boolean)))
    }

    fn write_when(&mut self, path: &str, apply: Apply) -> Target {
        let same = |one: &Write, other: &Write| one.name.eq_ignore_ascii_case(&other.name);
        Target(place_of(&mut self.writes, Write { name: path.to_owned(), apply }, same))
    }
}
