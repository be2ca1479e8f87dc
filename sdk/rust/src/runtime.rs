//! What the export macros call: configured rules, run over whole batches.

use crate::bindings::{Edit, Manifest, Values};
use crate::entry::Batch;
use crate::{Entry, Filter, FilterContract, Mapping, MappingContract, Refusal, Resource, Settings, Verdict};

/// What the host hears of one entry from a mapping.
pub struct MappingAnswer {
    /// The edits, or why there are none.
    pub outcome: Result<Vec<Edit>, Refusal>,
    /// When the answer may change by time alone.
    pub valid_until: Option<i64>,
}

/// What the host hears of one entry from a filter.
pub struct FilterAnswer {
    /// In or out.
    pub verdict: Verdict,
    /// When the answer may change by time alone.
    pub valid_until: Option<i64>,
}

/// A mapping with its contract.
pub struct ConfiguredMapping<M> {
    rule: M,
    contract: MappingContract,
}

/// A filter with its contract.
pub struct ConfiguredFilter<F> {
    rule: F,
    contract: FilterContract,
}

/// Parses the configuration document into a rule's settings.
///
/// # Errors
/// When the document does not fit: where, and what it should be.
pub fn settings<C: serde::de::DeserializeOwned>(document: &str) -> Result<C, String> {
    let mut parser = serde_json::Deserializer::from_str(document);
    let unfit = |place: &str, error: &serde_json::Error| {
        let told = error.to_string();
        // The document is the host's own rendering, on one line: only the place in it means anything to the operator.
        let told = told.rsplit_once(" at line ").map_or(told.as_str(), |(told, _)| told);
        format!("config{place}: {told}")
    };
    let settings = serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let place = match error.path().to_string() {
            root if root == "." => String::new(),
            list if list.starts_with('[') => list,
            field => format!(".{field}"),
        };
        unfit(&place, error.inner())
    })?;
    parser.end().map_err(|error| unfit("", &error))?;
    Ok(settings)
}

/// The manifest of a plugin whose settings are of type `C`.
pub fn manifest<C: Settings>(name: &str, version: &str, description: &str) -> Manifest {
    Manifest {
        name: name.strip_prefix("provisor-plugin-").unwrap_or(name).to_owned(),
        version: version.to_owned(),
        configuration_schema: C::schema(),
        annotations: vec![("description".to_owned(), description.to_owned())],
    }
}

/// Sends the message of a panic to the operator before the instance traps.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string().replace('\n', " "))));
}

/// What the rules of a plugin say that they do, as one text.
pub fn summaries(of_rules: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    of_rules.into_iter().flatten().reduce(|first, second| format!("{first} {second}"))
}

impl<M: Mapping> ConfiguredMapping<M> {
    /// Configures the rule.
    ///
    /// # Errors
    /// When the settings do not fit or make no sense.
    pub fn new(document: &str) -> Result<Self, String> {
        let mut contract = MappingContract::default();
        let rule = M::configure(Settings::from_document(document)?, &mut contract)?;
        Ok(Self { rule, contract })
    }

    /// The contract; none where this configuration does not use the rule.
    pub fn contract(&self) -> Option<&MappingContract> {
        (!self.contract.unused).then_some(&self.contract)
    }

    /// What the rule says that it does; none where this configuration does not use it.
    pub fn summary(&self) -> Option<String> {
        self.contract().and_then(|_| self.rule.summary())
    }

    /// Maps a batch.
    ///
    /// # Errors
    /// When the host sent a malformed batch.
    pub fn run(&self, cycle_time: Option<i64>, entries: &Values, built: &Values) -> Result<Vec<MappingAnswer>, String> {
        let batch = Batch::new(entries, self.contract.reads.len())?;
        let built = Batch::new(built, self.contract.resource_reads.len())?;
        let mut places = vec![0; self.contract.writes.len()];
        let mut answers = Vec::with_capacity(batch.len());
        for number in 0..batch.len() {
            let entry = Entry::new(&batch, number, cycle_time);
            let mut resource = Resource::new(&mut places, &built, number);
            let outcome = self.rule.map(&entry, &mut resource).map(|()| resource.into_edits());
            answers.push(MappingAnswer { outcome, valid_until: entry.valid_until.get() });
        }
        Ok(answers)
    }
}

impl<F: Filter> ConfiguredFilter<F> {
    /// Configures the rule.
    ///
    /// # Errors
    /// When the settings do not fit or make no sense.
    pub fn new(document: &str) -> Result<Self, String> {
        let mut contract = FilterContract::default();
        let rule = F::configure(Settings::from_document(document)?, &mut contract)?;
        Ok(Self { rule, contract })
    }

    /// The contract; none where this configuration does not use the rule.
    pub fn contract(&self) -> Option<&FilterContract> {
        (!self.contract.unused).then_some(&self.contract)
    }

    /// What the rule says that it does; none where this configuration does not use it.
    pub fn summary(&self) -> Option<String> {
        self.contract().and_then(|_| self.rule.summary())
    }

    /// Decides a batch.
    ///
    /// # Errors
    /// When the host sent a malformed batch.
    pub fn run(&self, cycle_time: Option<i64>, entries: &Values) -> Result<Vec<FilterAnswer>, String> {
        let batch = Batch::new(entries, self.contract.reads.len())?;
        let decide = |number| {
            let entry = Entry::new(&batch, number, cycle_time);
            let verdict = self.rule.decide(&entry);
            FilterAnswer { verdict, valid_until: entry.valid_until.get() }
        };
        Ok((0..batch.len()).map(decide).collect())
    }
}

/// What a call before `configure` is answered with.
pub const NOT_CONFIGURED: &str = "the plugin was called before it was configured";
