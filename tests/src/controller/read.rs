//! What a search gives of an object: the attributes asked for, with ranges where there are more values than it gives.

use super::dn;
use super::guid::{Guid, hex, sid_text};
use super::replica::{LinkKey, LinkState, Object, Replica};
use super::schema::{self, Attribute, Kind, Syntax};

/// A name of an attribute, with options where it has some, and its values.
pub(super) type Given = (String, Vec<Vec<u8>>);

/// How names are written (the extended DN control).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameForm {
    Plain,
    /// Ids in hexadecimal digits before the name.
    Hex,
    /// Ids in their text forms before the name.
    Text,
}

/// What a controller does where a range begins behind the last value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BehindTheEnd {
    /// The whole search ends with an operations error.
    Error,
    /// The attribute is left out.
    Nothing,
}

/// A range begins behind the last value, and that is an error.
#[derive(Debug)]
pub(super) struct NoSuchRange;

/// The part of an attribute's values that is asked for.
#[derive(Clone, Copy, Debug)]
struct Range {
    first: usize,
    last: Option<usize>,
}

/// How attributes are given.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub names: NameForm,
    pub max_values: usize,
    pub behind: BehindTheEnd,
}

/// The values of an attribute before they are written: who is meant may be tens of thousands, of whom a part is given.
enum Source {
    Values(Vec<Vec<u8>>),
    Objects(Vec<Guid>),
}

impl Source {
    fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Objects(objects) => objects.len(),
        }
    }
}

impl Replica {
    /// The attributes of an object that are asked for.
    pub(super) fn given(&self, object: &Object, asked: &[String], view: View) -> Result<Vec<Given>, NoSuchRange> {
        let mut given = Vec::new();
        if asked.is_empty() || asked.iter().any(|name| name == "*") {
            for attribute in schema::all().filter(|attribute| attribute.kind != Kind::Constructed) {
                self.give(object, attribute, None, view, &mut given)?;
            }
        }
        for name in asked {
            let (name, option) =
                name.split_once(';').map_or((name.as_str(), None), |(name, option)| (name, Some(option)));
            let range = option.map(Range::parse);
            if let (Some(attribute), None | Some(Some(_))) = (schema::find(name), range)
                && (range.is_some() || !given.iter().any(|(known, _)| known == attribute.name))
            {
                self.give(object, attribute, range.flatten(), view, &mut given)?;
            }
        }
        Ok(given)
    }

    fn give(
        &self,
        object: &Object,
        attribute: &'static Attribute,
        range: Option<Range>,
        view: View,
        given: &mut Vec<Given>,
    ) -> Result<(), NoSuchRange> {
        let source = self.source(object, attribute, view.names);
        let count = source.len();
        if count == 0 {
            return Ok(());
        }
        let whole = Range { first: 0, last: None };
        let range = match range {
            Some(range) => range,
            // Descriptions of the schema come whole, however many they are.
            None if attribute.kind == Kind::Constructed || count <= view.max_values => {
                given.push((attribute.name.to_owned(), self.written(source, 0, count, view.names)));
                return Ok(());
            }
            // Who did not ask for a range gets one, and the attribute without values besides.
            None => {
                given.push((attribute.name.to_owned(), Vec::new()));
                whole
            }
        };
        if range.first >= count {
            return if view.behind == BehindTheEnd::Error { Err(NoSuchRange) } else { Ok(()) };
        }
        let last = range.last.unwrap_or(usize::MAX).min(range.first + view.max_values - 1);
        let (end, shown) = if last >= count - 1 { (count, "*".to_owned()) } else { (last + 1, last.to_string()) };
        let values = self.written(source, range.first, end, view.names);
        given.push((format!("{};range={}-{shown}", attribute.name, range.first), values));
        Ok(())
    }

    /// All values of an attribute.
    pub(super) fn values(&self, object: &Object, attribute: &'static Attribute, names: NameForm) -> Vec<Vec<u8>> {
        self.written(self.source(object, attribute, names), 0, usize::MAX, names)
    }

    fn written(&self, source: Source, first: usize, end: usize, names: NameForm) -> Vec<Vec<u8>> {
        let count = end.saturating_sub(first);
        match source {
            Source::Values(values) => values.into_iter().skip(first).take(count).collect(),
            Source::Objects(objects) => {
                objects.into_iter().skip(first).take(count).map(|guid| self.name_of(guid, names).into_bytes()).collect()
            }
        }
    }

    fn source(&self, object: &Object, attribute: &'static Attribute, names: NameForm) -> Source {
        match attribute.kind {
            Kind::Forward => Source::Objects(self.linked(object.guid, attribute.name).collect()),
            Kind::Back(forward) => Source::Objects(self.linked_from(object.guid, forward)),
            Kind::Made | Kind::Constructed => Source::Values(self.made(object, attribute.name, names)),
            Kind::Stored | Kind::Local => {
                let values = object.values(attribute.name).to_vec();
                let named = attribute.syntax == Syntax::Name && names != NameForm::Plain;
                let rewritten = |value: Vec<u8>| {
                    let guid = std::str::from_utf8(&value).ok().and_then(|dn| self.find(dn));
                    guid.map_or(value, |guid| self.name_of(guid, names).into_bytes())
                };
                Source::Values(if named { values.into_iter().map(rewritten).collect() } else { values })
            }
        }
    }

    /// Who refers to an object by a linked attribute.
    pub(super) fn linked_from(&self, object: Guid, forward: &str) -> Vec<Guid> {
        if !self.is_alive(object) {
            return Vec::new();
        }
        let all = self.back.get(&object).into_iter().flatten().filter(|(attribute, _)| *attribute == forward);
        let present = all.filter(|(attribute, source)| {
            let link = self.link_of(LinkKey { source: *source, attribute, target: object });
            self.is_alive(*source) && link.is_some_and(|link| link.state == LinkState::Present)
        });
        present.map(|(_, source)| *source).collect()
    }

    /// An object's name in this form.
    pub(super) fn name_of(&self, guid: Guid, form: NameForm) -> String {
        let dn = self.dn(guid);
        let sid = self.objects.get(&guid).and_then(|object| object.values("objectSid").first());
        let (id, sid) = match form {
            NameForm::Plain => return dn,
            NameForm::Hex => (guid.hex(), sid.map(|sid| hex(sid))),
            NameForm::Text => (guid.to_string(), sid.map(|sid| sid_text(sid))),
        };
        let sid = sid.map(|sid| format!("<SID={sid}>;")).unwrap_or_default();
        format!("<GUID={id}>;{sid}{dn}")
    }

    fn made(&self, object: &Object, name: &str, names: NameForm) -> Vec<Vec<u8>> {
        let text = |text: String| vec![text.into_bytes()];
        match name {
            "objectGUID" => vec![object.guid.octets().to_vec()],
            "distinguishedName" => text(self.name_of(object.guid, names)),
            "uSNCreated" => text(object.created_usn.to_string()),
            "uSNChanged" => text(object.changed_usn.to_string()),
            "whenChanged" | "modifyTimeStamp" => text(time(object.changed_seconds)),
            "createTimeStamp" => object.values("whenCreated").to_vec(),
            "parentGUID" => object.parent.map(|parent| parent.octets().to_vec()).into_iter().collect(),
            "structuralObjectClass" => object.values("objectClass").to_vec(),
            "subSchemaSubEntry" => text(self.dn(self.places.aggregate)),
            "attributeTypes" if object.guid == self.places.aggregate => schema::descriptions(),
            "canonicalName" => text(self.canonical_name(object)),
            "wellKnownObjects" if object.guid == self.places.domain => self.well_known(),
            "replUpToDateVector" if object.guid == self.places.domain && !self.vector.is_empty() => vec![self.heard()],
            "primaryGroupToken" if object.values("objectClass").contains(&b"group".to_vec()) => {
                let sid = object.values("objectSid").first().map(|sid| sid_text(sid));
                sid.and_then(|sid| sid.rsplit('-').next().map(|rid| rid.as_bytes().to_vec())).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// How far it has heard the domain's other controllers (MS-DRSR, section 5.166, in its second form).
    fn heard(&self) -> Vec<u8> {
        let count = u32::try_from(self.vector.len()).unwrap_or_default();
        let mut octets: Vec<u8> = [2, 0, count, 0].iter().flat_map(|number: &u32| number.to_le_bytes()).collect();
        for (database, usn) in &self.vector {
            octets.extend(database.octets());
            octets.extend(usn.to_le_bytes());
            // When that was, which no clock of this server tells.
            octets.extend([0; 8]);
        }
        octets
    }

    fn canonical_name(&self, object: &Object) -> String {
        let mut path = Vec::new();
        let mut at = Some(object);
        while let Some(object) = at.filter(|object| object.root.is_none()) {
            path.push(object.name().replace('/', "\\/"));
            at = object.parent.and_then(|parent| self.objects.get(&parent));
        }
        path.push(self.names.dns.clone());
        path.reverse();
        let end = if path.len() == 1 { "/" } else { "" };
        path.join("/") + end
    }

    fn well_known(&self) -> Vec<Vec<u8>> {
        let places = [
            ("18E2EA80684F11D2B9AA00C04F79F805", self.places.deleted),
            ("A9D1CA15768811D1ADED00C04FD8D5CD", self.places.users),
            ("AA312825768811D1ADED00C04FD8D5CD", self.places.computers),
            ("A361B2FFFFD211D1AA4B00C04FD7D83A", self.places.controllers),
        ];
        places.map(|(id, place)| format!("B:32:{id}:{}", self.dn(place)).into_bytes()).to_vec()
    }
}

impl Range {
    /// Reads `range=0-*`; none where it is something else.
    fn parse(option: &str) -> Option<Self> {
        let option = option.to_ascii_lowercase();
        let (first, last) = option.strip_prefix("range=")?.split_once('-')?;
        let first = first.parse().ok()?;
        let last = if last == "*" { None } else { Some(last.parse().ok()?) };
        (last.is_none_or(|last| last >= first)).then_some(Self { first, last })
    }
}

/// A name in the form that compares; as it is, in small letters, where it is none.
pub(super) fn comparable(dn: &str) -> String {
    dn::normalised(dn).map_or_else(|| dn.to_lowercase(), |parts| parts.join(","))
}

/// A moment as the directory writes it, so many seconds after the domain's beginning.
pub(super) fn time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut month, mut day) = (2026, 0, days);
    let length = |year, month: usize| match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    while day >= length(year, month) {
        day -= length(year, month);
        month = (month + 1) % 12;
        year += u64::from(month == 0);
    }
    format!("{year}{:02}{:02}{:02}{:02}{:02}.0Z", month + 1, day + 1, rest / 3600, rest / 60 % 60, rest % 60)
}
