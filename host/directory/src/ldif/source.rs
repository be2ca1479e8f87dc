//! An open LDIF file: its entries one by one, each checked for what a directory would never allow.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, Read, Seek};
use std::path::PathBuf;
use std::time::SystemTime;

use provisor_model::{AttributeName, DnKey, Entry};
use sha2::{Digest, Sha256};

use super::record::{Record, RecordError, Records};
use super::{Ldif, schema};
use crate::error::{DirectoryError, server_words};
use crate::reading::{NotText, ReadError, Reader};
use crate::selection::Aliases;
use crate::watermark::hexadecimal;

/// The octets of a file, digested as they are read.
struct Digested {
    file: File,
    digest: Sha256,
}

impl Read for Digested {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// An open file.
pub(crate) struct Source {
    path: PathBuf,
    records: Records<BufReader<Digested>>,
    reader: Reader,
    base: Option<DnKey>,
    seen: Seen,
    source_id_attribute: AttributeName,
    handle: File,
    before: State,
    digest: String,
}

/// What of a file's metadata changes when it is written.
#[derive(Debug, PartialEq, Eq)]
struct State {
    size: u64,
    modified: Option<SystemTime>,
}

impl From<&Metadata> for State {
    fn from(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl Source {
    /// Opens the file, digests it once, and makes ready to read it.
    pub fn open(ldif: &Ldif, attributes: &BTreeSet<AttributeName>) -> Result<Self, DirectoryError> {
        let options = &ldif.options;
        let path = options.file.clone();
        let failed = |error: io::Error| {
            DirectoryError::file(
                &path,
                format!("the file cannot be read: {error}. Check the path and this user's right to read it"),
            )
        };
        let object = options.object.clone();
        let schema = schema::schema(&options.binary);
        let reader = Reader::new(attributes, schema, Aliases::new(), object, NotText::Refuse)?;
        let mut file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(DirectoryError::file(&path, "this is no file. Name an LDIF file"));
        }
        if metadata.len() == 0 {
            return Err(DirectoryError::file(&path, "the file is empty, as a failed export leaves it. Export again"));
        }
        let mut first = Digested { file: file.try_clone().map_err(failed)?, digest: Sha256::new() };
        io::copy(&mut first, &mut io::sink()).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let handle = file.try_clone().map_err(failed)?;
        let records = Records::new(BufReader::with_capacity(64 * 1024, Digested { file, digest: Sha256::new() }));
        Ok(Self {
            records,
            reader,
            base: options.base.as_ref().map(provisor_model::Dn::key),
            seen: Seen::default(),
            source_id_attribute: options.object.source_id_attribute.clone(),
            handle,
            before: State::from(&metadata),
            digest: hexadecimal(&first.digest.finalize()),
            path,
        })
    }

    /// The digest of the whole file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The next entry at or below the base; none at the end of a file that stayed the same while it was read.
    pub fn next(&mut self) -> Result<Option<Entry>, DirectoryError> {
        while let Some(record) = self.record()? {
            let line = record.line;
            let dn = server_words(&record.entry.dn);
            let Record { entry, value_lines, .. } = record;
            let name: provisor_model::Dn =
                entry.dn.parse().map_err(|error| DirectoryError::line(&self.path, line, format!("{error}")))?;
            let key = name.key();
            if let Some(other) = self.seen.name(&key, line) {
                let reason = format!("\"{dn}\" stands here and at line {other}. Two entries cannot have the same name");
                return Err(DirectoryError::line(&self.path, line, reason));
            }
            if self.base.as_ref().is_some_and(|base| !key.is_within(base)) {
                continue;
            }
            let entry = match self.reader.entry(&entry, None) {
                Ok(entry) => entry,
                Err(error) => return Err(self.unreadable(line, &dn, &value_lines, &error)),
            };
            if let Some(other) = self.seen.id(entry.source_id.octets(), line) {
                let reason = format!(
                    "\"{dn}\" and the entry at line {other} have the same {}, {}. It must be of one entry only",
                    self.source_id_attribute, entry.source_id
                );
                return Err(DirectoryError::line(&self.path, line, reason));
            }
            return Ok(Some(entry));
        }
        self.unchanged()?;
        Ok(None)
    }

    fn record(&mut self) -> Result<Option<Record>, DirectoryError> {
        let path = &self.path;
        let wrong = |RecordError { line, reason }| DirectoryError::File { path: path.clone(), line, reason };
        self.records.next().map_err(wrong)
    }

    /// Says why an entry cannot be used. Where it has no source id, the others that have none are counted, since
    /// whoever mends the first wants to know.
    fn unreadable(&mut self, line: u64, dn: &str, value_lines: &[Vec<u64>], error: &ReadError) -> DirectoryError {
        match error {
            ReadError::NotText { name, at: (attribute, value) } => {
                let line = value_lines.get(*attribute).and_then(|lines| lines.get(*value)).copied().unwrap_or(line);
                let reason = format!(
                    "a value of {name} is not UTF-8 text. Where it is meant to be octets, list \"{name}\" under binary"
                );
                DirectoryError::line(&self.path, line, reason)
            }
            ReadError::NoSourceId(attribute) => {
                let mut others = 0u64;
                // A later error ends the count; it is met again once this one is mended.
                while let Ok(Some(record)) = self.records.next() {
                    let id = attribute.as_str();
                    others += u64::from(!record.entry.attributes.iter().any(|own| own.name.eq_ignore_ascii_case(id)));
                }
                let others = match others {
                    0 => String::new(),
                    others => format!(", nor have {others} entries after it"),
                };
                let reason = format!(
                    "\"{dn}\" has no {attribute}, by which it would be known when it is renamed{others}. Export operational \
                     attributes too, or set source-id to an attribute that every entry of the file has and that never changes"
                );
                DirectoryError::line(&self.path, line, reason)
            }
            error => DirectoryError::line(&self.path, line, format!("\"{dn}\": {error}")),
        }
    }

    fn unchanged(&mut self) -> Result<(), DirectoryError> {
        let changed = || {
            let reason =
                "the file changed while it was being read. Write it under another name and rename it when it is whole";
            DirectoryError::file(&self.path, reason)
        };
        let now = self.handle.metadata().map_err(|_| changed())?;
        let digest = hexadecimal(&self.records.input().get_ref().digest.clone().finalize());
        if State::from(&now) != self.before || digest != self.digest { Err(changed()) } else { Ok(()) }
    }
}

/// The names and source ids met so far, as digests with a key of this process, with the line of each: 16 octets for
/// one, where the names themselves would fill the memory.
#[derive(Default)]
struct Seen {
    state: RandomState,
    names: HashMap<u64, u64>,
    ids: HashMap<u64, u64>,
}

impl Seen {
    /// The line where this name stood before, if it did.
    fn name(&mut self, key: &DnKey, line: u64) -> Option<u64> {
        self.names.insert(self.state.hash_one(key.octets()), line)
    }

    /// The line where this source id stood before, if it did.
    fn id(&mut self, octets: &[u8], line: u64) -> Option<u64> {
        self.ids.insert(self.state.hash_one(octets), line)
    }
}
