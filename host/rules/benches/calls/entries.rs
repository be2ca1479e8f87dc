//! The entries that are measured: as the host keeps them, as stored octets, flat, and as records; and a host to send them to.

use std::fs;

use provisor_bench_rule::shape::{self, Kind};
use provisor_model::{AttributeLanes, AttributeName, DnView, Entry, EntryView, IdSyntax, SourceId, Value};
use provisor_rules::{Binding, Evaluation, Evaluator, OnFault, PluginLimits, RulesHost, RulesOptions, Updates};

use crate::raw::flat::provisor::rules::types::Values;
use crate::raw::typed::exports::provisor::typed::mapping as records;

/// So many entries of so many attributes, no two alike.
pub fn entries(attributes: usize, batch: usize) -> Vec<Entry> {
    (0..batch).map(|number| entry(attributes, number)).collect()
}

fn entry(attributes: usize, number: usize) -> Entry {
    let anchor = SourceId::new(IdSyntax::Guid, format!("{number:016}").as_bytes()).unwrap();
    let valued = |place| (AttributeName::new(shape::name(place)), values(place, number));
    Entry {
        source_id: anchor.clone(),
        anchor: anchor.into(),
        dn: format!("uid=u{number:06},ou=people,ou=Ruhrgebiet,dc=provisor,dc=example,dc=org").parse().unwrap(),
        object_class: "user".to_owned(),
        attributes: (0..attributes).map(valued).collect(),
    }
}

/// Texts of 5 to 32 octets, some beyond ASCII.
fn values(place: usize, number: usize) -> Vec<Value> {
    const WORDS: [&str; 7] =
        ["Bärbel", "Wissenschaftlerin", "Lovelace", "Department of Engines, North", "Zürich", "PQ-1200", "am Markt 5"];
    let text = |more: usize| {
        let word = WORDS.get((place + number + more) % WORDS.len()).copied().unwrap_or_default();
        Value::Text(format!("{word}{}", (number + more) % 1000))
    };
    match shape::kind(place) {
        Kind::Text => vec![text(0)],
        Kind::Texts => (0..3).map(text).collect(),
        Kind::Binary => vec![Value::Binary(vec![0xa5; if place.is_multiple_of(2) { 32 } else { 16 }])],
        Kind::Boolean => vec![Value::Text(if number.is_multiple_of(2) { "TRUE" } else { "FALSE" }.to_owned())],
        Kind::Integer => vec![Value::Text((10_000 + number).to_string())],
    }
}

/// Entries as the connector space keeps them.
pub struct Stored {
    octets: Vec<Vec<u8>>,
    entries: Vec<Entry>,
    names: Vec<String>,
}

impl Stored {
    pub fn of(entries: &[Entry]) -> Self {
        let octets = entries.iter().map(|entry| postcard::to_stdvec(&entry.attributes).unwrap()).collect();
        let names = entries.iter().map(|entry| entry.dn.to_string()).collect();
        Self { octets, entries: entries.to_vec(), names }
    }

    /// Looks at all entries where they lie.
    pub fn viewed<T>(&self, look: impl FnOnce(&[EntryView<'_>]) -> T) -> T {
        let mut lanes = AttributeLanes::new();
        for octets in &self.octets {
            lanes.push_stored(&mut postcard::Deserializer::from_bytes(octets)).unwrap();
        }
        let views: Vec<EntryView<'_>> = self
            .entries
            .iter()
            .zip(&self.names)
            .enumerate()
            .map(|(place, (entry, name))| EntryView {
                anchor: &entry.anchor,
                dn: DnView::Text(name),
                object_class: &entry.object_class,
                attributes: lanes.get(place),
            })
            .collect();
        look(&views)
    }

    /// From octets to what the entries become.
    pub fn evaluate(&self, evaluator: &mut Evaluator) -> Vec<Evaluation> {
        self.viewed(|views| evaluator.evaluate_views(views).unwrap())
    }
}

/// A plugin host with one plugin, and the folder that both live in.
pub struct Hosted {
    _folder: tempfile::TempDir,
    host: RulesHost,
    plugin: String,
}

impl Hosted {
    pub fn new(plugin: &str, component: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugins_folder = folder.path().join("plugins");
        fs::create_dir(&plugins_folder).unwrap();
        fs::write(plugins_folder.join(format!("{plugin}.wasm")), component).unwrap();
        let host = RulesHost::open(RulesOptions {
            plugins_folder,
            data_folder: folder.path().join("data"),
            limits: PluginLimits::default(),
            updates: Updates::default(),
            embedded: &[],
        })
        .unwrap();
        Self { _folder: folder, host, plugin: plugin.to_owned() }
    }

    /// Begins a cycle of the plugin alone, so configured.
    pub fn start(&self, config: serde_json::Value) -> Evaluator {
        let binding = Binding { plugin: self.plugin.clone(), config, on_fault: OnFault::Hold };
        self.host.bind("bench", &[binding]).unwrap().start_cycle(0, false)
    }
}

/// Entries as the interface has them, made without the host.
pub fn flat(attributes: usize, entries: &[Entry]) -> Values {
    let mut flat = Values { count: entries.len() as u32, spans: Vec::new(), octets: Vec::new() };
    for (number, entry) in entries.iter().enumerate() {
        for place in 0..attributes {
            for value in entry.attributes.values(&shape::name(place).as_str().into()) {
                let octets = value.octets();
                flat.spans.extend([number as u32, place as u32, flat.octets.len() as u32, octets.len() as u32]);
                flat.octets.extend_from_slice(octets);
            }
        }
    }
    flat
}

/// Entries as records.
pub fn typed(attributes: usize, entries: &[Entry]) -> Vec<records::Entry> {
    let attribute = |entry: &Entry, place: usize| {
        let values = entry.attributes.values(&shape::name(place).as_str().into()).to_vec();
        let texts = || values.iter().map(|value| value.as_text().unwrap().to_owned());
        let value = match shape::kind(place) {
            Kind::Text => records::Value::Text(texts().next().unwrap()),
            Kind::Texts => records::Value::Texts(texts().collect()),
            Kind::Binary => records::Value::Binary(values.first().unwrap().octets().to_vec()),
            Kind::Boolean => records::Value::Boolean(texts().next().unwrap() == "TRUE"),
            Kind::Integer => records::Value::Integer(texts().next().unwrap().parse().unwrap()),
        };
        records::Attribute { place: place as u32, value }
    };
    let entry = |entry| records::Entry { attributes: (0..attributes).map(|place| attribute(entry, place)).collect() };
    entries.iter().map(entry).collect()
}
