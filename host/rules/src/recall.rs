//! What plugins answered about an entry before: an answer depends on what the plugin is sent alone, so where that is the
//! same it is not asked again.

use serde::{Deserialize, Serialize};
use siphasher::sip128::SipHasher24;

use crate::answer::{Answer, RawAnswer};
use crate::chain::{Chain, Link};
use crate::request::Request;
use crate::surface::PluginKind;
use crate::work::Work;

/// The most octets of an answer that are kept: beyond them the plugin is asked each time.
const ANSWER_OCTETS: usize = 64 << 10;
/// The most octets that are kept of one entry.
const ENTRY_OCTETS: usize = 256 << 10;
/// Room for a head.
const HEAD_OCTETS: usize = 64;

/// Recognises what plugins were sent before. A cycle's thread has one of its own.
pub(crate) struct Memory {
    /// With a key that nobody outside knows, so that nobody can make two entries that are taken for the same.
    hasher: SipHasher24,
    /// Whether what plugins answer now is kept.
    keeps: bool,
    sent: Vec<u8>,
    encoded: Vec<u8>,
}

/// What is known of an answer before the plugin is asked.
pub(crate) enum Recall {
    /// The answer, checked, and until when it holds.
    Known(Answer, Option<i64>),
    /// Nothing; by this digest it will be known, where it is to be kept.
    Unknown(Option<Digest>),
}

/// What a plugin was sent about an entry, by a keyed digest.
pub(crate) type Digest = [u8; 16];

/// Which plugin of a chain answered, and as what: enough to tell those of one chain apart.
pub(crate) type Tag = [u8; 8];

/// What stands before each answer that is kept.
#[derive(Serialize, Deserialize)]
struct Head {
    tag: Tag,
    digest: Digest,
    /// The cycle's time, where the plugin was told it.
    asked: Option<i64>,
    valid_until: Option<i64>,
    octets: u32,
}

impl Memory {
    pub(crate) fn new(key: &[u8; 16], keeps: bool) -> Self {
        Self { hasher: SipHasher24::new_with_key(key), keeps, sent: Vec::new(), encoded: Vec::new() }
    }

    /// What the plugin answered when it was sent what the request holds of this entry, which came into it last.
    pub(crate) fn recall(&mut self, link: &Link, work: &Work<'_>, request: &Request<'_, '_>, now: i64) -> Recall {
        if work.known.is_empty() && !self.keeps {
            return Recall::Unknown(None);
        }
        let digest = self.digest(link, request);
        let answer = records(work.known)
            .find(|(head, _, _)| head.tag == link.tag(request.kind) && head.digest == digest && head.holds_at(now))
            .and_then(|(_, _, answer)| RawAnswer::from_kept(request.kind, answer));
        match answer.map(|answer| answer.check(link)) {
            None | Some((Answer::Fault(_), _)) => Recall::Unknown(self.keeps.then_some(digest)),
            Some((answer, valid_until)) => Recall::Known(answer, valid_until),
        }
    }

    /// All that the answer may depend on: the generation, the kind, and what is sent. The cycle's time is not among it:
    /// until when an answer holds, the plugin says.
    fn digest(&mut self, link: &Link, request: &Request<'_, '_>) -> Digest {
        let sent = &mut self.sent;
        sent.clear();
        sent.extend_from_slice(&link.generation.octets());
        sent.push(kind_octet(request.kind));
        for (spans, octets) in request.last_sent() {
            sent.extend_from_slice(&(spans.len() as u64).to_le_bytes());
            // Where a value lies depends on the batch: whose it is and how long does not.
            for span in spans.chunks_exact(4) {
                if let [_, place, _, length] = span {
                    sent.extend_from_slice(&place.to_le_bytes());
                    sent.extend_from_slice(&length.to_le_bytes());
                }
            }
            sent.extend_from_slice(octets);
        }
        self.hasher.hash(sent).as_bytes()
    }

    /// Takes down an answer as it came. It is kept once it has been found sound, by [`Self::keep`].
    pub(crate) fn note(&mut self, answer: &RawAnswer) {
        self.encoded.clear();
        // What has no form to be kept in is asked for again.
        self.encoded = answer.to_kept(std::mem::take(&mut self.encoded)).unwrap_or_default();
    }

    /// Keeps the answer that was noted last.
    pub(crate) fn keep(
        &self,
        link: &Link,
        kind: PluginKind,
        digest: Digest,
        asked: Option<i64>,
        valid_until: Option<i64>,
        work: &mut Work<'_>,
    ) {
        let Ok(octets) = u32::try_from(self.encoded.len()) else { return };
        if self.encoded.is_empty()
            || self.encoded.len() > ANSWER_OCTETS
            || work.fresh.len() + self.encoded.len() > ENTRY_OCTETS
        {
            return;
        }
        let head = Head { tag: link.tag(kind), digest, asked, valid_until, octets };
        let Ok(head) = postcard::to_extend(&head, Vec::with_capacity(HEAD_OCTETS)) else { return };
        work.fresh.extend_from_slice(&head);
        work.fresh.extend_from_slice(&self.encoded);
    }
}

impl Head {
    /// Whether the answer holds in a cycle of this time. Under a clock that was set back, what was decided by a later
    /// time does not.
    fn holds_at(&self, now: i64) -> bool {
        self.valid_until.is_none_or(|end| now < end) && self.asked.is_none_or(|asked| asked <= now)
    }
}

/// The answers that are kept of one entry, each with its head and the two together; what is damaged ends them.
fn records(kept: &[u8]) -> impl Iterator<Item = (Head, &[u8], &[u8])> {
    let mut rest = kept;
    std::iter::from_fn(move || {
        let (head, behind) = postcard::take_from_bytes::<Head>(rest).ok()?;
        let (answer, next) = behind.split_at_checked(head.octets as usize)?;
        let whole = rest.get(..rest.len() - next.len())?;
        rest = next;
        Some((head, whole, answer))
    })
}

/// What is to be kept of an entry from now on, where that is more than what was known: what was answered now, and what
/// plugins of the chain answered before that were not asked this time.
pub(crate) fn kept(chain: &Chain, known: &[u8], fresh: Vec<u8>) -> Option<Vec<u8>> {
    if fresh.is_empty() {
        return None;
    }
    let mut all = fresh.clone();
    for (head, whole, _) in records(known) {
        let replaced = records(&fresh).any(|(newer, _, _)| newer.tag == head.tag);
        let of_chain = chain.links.iter().any(|link| link.has_tag(head.tag));
        if of_chain && !replaced && all.len() + whole.len() <= ENTRY_OCTETS {
            all.extend_from_slice(whole);
        }
    }
    Some(all)
}

fn kind_octet(kind: PluginKind) -> u8 {
    match kind {
        PluginKind::Filter => 0,
        PluginKind::Mapping => 1,
    }
}

impl Link {
    /// By what the answers of this plugin, as this kind, are told from those of others in the chain.
    fn tag(&self, kind: PluginKind) -> Tag {
        let [one, two, three, four, five, six, seven, ..] = self.generation.octets();
        [one, two, three, four, five, six, seven, kind_octet(kind)]
    }

    fn has_tag(&self, tag: Tag) -> bool {
        [PluginKind::Filter, PluginKind::Mapping].into_iter().any(|kind| self.tag(kind) == tag)
    }
}
