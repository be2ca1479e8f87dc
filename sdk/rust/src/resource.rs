//! The resource under construction: what a mapping sets of it.

use crate::bindings::{Cell, Edit, Named, TargetValue, Value};
use crate::contract::private::Place;
use crate::entry::{Batch, as_boolean, as_text};
use crate::{Boolean, Built, Handle, Target, Text, Texts, Unsent};

/// What an attribute can be set to.
#[diagnostic::on_unimplemented(
    message = "a rule cannot set an attribute to `{Self}`",
    label = "no value of an attribute",
    note = "attributes hold texts, octets, truth values, whole and decimal numbers: `&str`, `String`, `Vec<u8>`, `bool`, `i64`, `f64`"
)]
pub trait IntoValue {
    /// The value.
    fn into_value(self) -> Value;
}

#[diagnostic::do_not_recommend]
impl<T: Into<Value>> IntoValue for T {
    fn into_value(self) -> Value {
        self.into()
    }
}

/// No edit of this target yet.
const NONE: u32 = u32::MAX;

/// What a mapping makes of an entry. Setting an attribute twice keeps the later value; what is not set stays as the
/// plugins before this one left it.
pub struct Resource<'a> {
    edits: Vec<Edit>,
    /// For each target the place of its edit.
    places: &'a mut [u32],
    built: &'a Batch<'a>,
    number: usize,
}

impl<'a> Resource<'a> {
    pub(crate) fn new(places: &'a mut [u32], built: &'a Batch<'a>, number: usize) -> Self {
        places.fill(NONE);
        Self { edits: Vec::with_capacity(places.len()), places, built, number }
    }

    pub(crate) fn into_edits(self) -> Vec<Edit> {
        self.edits
    }

    /// Sets one value.
    pub fn set(&mut self, target: Target, value: impl IntoValue) {
        self.put(target, TargetValue::Plain(value.into_value()));
    }

    /// Sets the values of a multi-valued attribute; none takes it away.
    ///
    /// ```
    /// # use provisor_sdk::prelude::*;
    /// fn numbers(entry: &Entry, source: Texts, user: &mut Resource, target: Target) {
    ///     user.set_all(target, entry.texts(source).map(str::trim));
    /// }
    /// ```
    pub fn set_all<V: IntoValue>(&mut self, target: Target, values: impl IntoIterator<Item = V>) {
        self.put(target, TargetValue::Values(values.into_iter().map(IntoValue::into_value).collect()));
    }

    /// Sets the rows of a complex multi-valued attribute; none takes it away.
    pub fn set_rows(&mut self, target: Target, rows: impl IntoIterator<Item = Row>) {
        self.put(target, TargetValue::Rows(rows.into_iter().map(|row| row.0).collect()));
    }

    /// Passes an attribute of the entry on, as its shape says: the cheapest edit, because the value does not cross.
    /// Where the entry has none it is taken away.
    pub fn copy(&mut self, target: Target, source: impl Handle) {
        self.put(target, TargetValue::Same(source.place()));
    }

    /// Refers to the source object of this distinguished name.
    pub fn reference(&mut self, target: Target, dn: &str) {
        self.put(target, TargetValue::Reference(dn.to_owned()));
    }

    /// Refers to the source object whose attribute has this value.
    ///
    /// ```
    /// # use provisor_sdk::prelude::*;
    /// fn manager(entry: &Entry, number: Text, user: &mut Resource, manager: Target) {
    ///     match entry.text(number) {
    ///         Some(number) => user.reference_by(manager, "employeeNumber", number),
    ///         None => user.remove(manager),
    ///     }
    /// }
    /// ```
    pub fn reference_by(&mut self, target: Target, attribute: &str, value: &str) {
        let named = Named { attribute: attribute.to_owned(), value: value.to_owned() };
        self.put(target, TargetValue::ReferenceBy(named));
    }

    /// Refers to all source objects that an attribute of the entry names by DN.
    pub fn references_of(&mut self, target: Target, source: Unsent) {
        self.put(target, TargetValue::ReferencesOf(source.place()));
    }

    /// Sets the first of these texts that no other resource has.
    ///
    /// ```
    /// # use provisor_sdk::prelude::*;
    /// fn user_name(user: &mut Resource, user_name: Target, wanted: &str) {
    ///     let numbered = (2..100).map(|number| format!("{wanted}{number}"));
    ///     user.first_unique(user_name, std::iter::once(wanted.to_owned()).chain(numbered));
    /// }
    /// ```
    pub fn first_unique<S: Into<String>>(&mut self, target: Target, candidates: impl IntoIterator<Item = S>) {
        self.put(target, TargetValue::FirstUnique(candidates.into_iter().map(Into::into).collect()));
    }

    /// Takes the attribute away, whoever set it.
    pub fn remove(&mut self, target: Target) {
        self.put(target, TargetValue::Remove);
    }

    /// A text of the resource as built so far.
    pub fn built_text(&self, handle: Built<Text>) -> Option<&'a str> {
        self.built.octets(self.number, handle.0.place()).next().map(as_text)
    }

    /// All texts of an attribute of the resource as built so far.
    pub fn built_texts(&self, handle: Built<Texts>) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.built.octets(self.number, handle.0.place()).map(as_text)
    }

    /// A truth value of the resource as built so far.
    pub fn built_boolean(&self, handle: Built<Boolean>) -> Option<bool> {
        self.built.octets(self.number, handle.0.place()).next().map(as_boolean)
    }

    #[expect(clippy::cast_possible_truncation, reason = "there are no more edits than targets")]
    fn put(&mut self, target: Target, value: TargetValue) {
        let edit = Edit { attribute: target.0, value };
        let place = self.places.get_mut(target.0 as usize);
        match place {
            Some(place) if *place == NONE => {
                *place = self.edits.len() as u32;
                self.edits.push(edit);
            }
            Some(place) => {
                if let Some(earlier) = self.edits.get_mut(*place as usize) {
                    *earlier = edit;
                }
            }
            // A handle of another contract: the host refuses it by name.
            None => self.edits.push(edit),
        }
    }
}

/// A row of a complex multi-valued attribute, such as one of `emails`.
///
/// ```
/// # use provisor_sdk::prelude::*;
/// fn emails(user: &mut Resource, emails: Target, address: &str) {
///     user.set_rows(emails, [Row::new().with("value", address).with("type", "work").with("primary", true)]);
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Row(Vec<Cell>);

impl Row {
    /// A row without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The row with this part added.
    #[must_use]
    pub fn with(mut self, sub_attribute: &str, value: impl IntoValue) -> Self {
        self.0.push(Cell { sub_attribute: sub_attribute.to_owned(), value: value.into_value() });
        self
    }
}
